"""Files that go by their names."""

import pytest

from qwen_vla_core.errors import YamlFileError
from qwen_vla_core.yaml_file.named import find_named


def test_when_a_file_of_the_name_is_here_expect_its_path_in_the_refusal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_arm.yaml").touch()
    with pytest.raises(YamlFileError, match=r"no robot 'my_arm' .*did you mean my_arm\.yaml\?$"):
        find_named("robot", "my_arm", tmp_path / "robots")
