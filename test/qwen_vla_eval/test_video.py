"""Episodes as a video and as a film strip."""

import cv2
import imageio
import numpy as np

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
