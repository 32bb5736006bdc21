"""Episodes as a video and as a film strip."""

import cv2
import imageio
import numpy as np
import pytest

from full_disk import full_disk
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_eval.video import VIEW_PX, EpisodeVideo


def test_when_the_last_frame_is_shown_longer_expect_the_strip_to_count_it_once(tmp_path):
    dark, bright = (np.full((480, 640, 3), level, dtype=np.uint8) for level in (0, 255))
    with EpisodeVideo(tmp_path / "film.mp4", 10.0) as video:
        video.add({"front": dark}, ("go", "0.0 s"))
        video.add({"front": bright}, ("go", "0.1 s"), times=15)
        video.end_episode()
    video.save_strip(tmp_path / "film.png")
    strip = cv2.imread(str(tmp_path / "film.png"))
    moments = [part[-VIEW_PX // 4 :].mean() for part in np.split(strip, 4, axis=1)]
    assert moments == [0, 0, 255, 255]
    assert len(imageio.mimread(tmp_path / "film.mp4")) == 16


def test_when_a_film_cannot_be_written_expect_its_name_and_no_half_film(tmp_path):
    rng = np.random.default_rng(0)
    with full_disk(10_000), pytest.raises(QwenVlaError, match=r"film.mp4 cannot be written"):
        with EpisodeVideo(tmp_path / "film.mp4", 10.0) as video:
            for _ in range(1000):  # each another: to repeat one takes nothing on disk
                noise = rng.integers(0, 255, (88, 88, 3), dtype=np.uint8)
                video.add({"front": noise}, ("go", "0.0 s"))
    assert not list(tmp_path.iterdir())


def test_when_an_animation_is_requested_expect_four_frames_a_second_of_half_the_size(tmp_path):
    with EpisodeVideo(tmp_path / "film.mp4", 20.0) as video:
        for level in range(0, 200, 10):  # a second
            image = np.full((480, 640, 3), level, dtype=np.uint8)
            video.add({"front": image}, ("go", "0.0 s"))
        video.end_episode()
    video.save_gif(tmp_path / "film.gif")
    frames = imageio.mimread(tmp_path / "film.gif")
    assert len(frames) == 4 and frames[0].shape[1] == VIEW_PX // 2
    assert frames[0].mean() < frames[-1].mean()
