"""Which episodes a demo shows."""

import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_eval.demo_episodes import asking_for, each_task, usual_scenes
from qwen_vla_sim.registry import find_tasks

SENTENCES = {
    "widowx": ("Grasp the green cube and lift it", "pick_up"),
    "aloha": ("with the left arm pick up the red cube", "pick_up_cube"),
    "mobile_base": ("drive to the ball on the left of the box", "go_to_side"),
}


def robot(name):
    return load_embodiment(embodiments_directory() / f"{name}.yaml")


@pytest.mark.parametrize("name", SENTENCES)
def test_when_nothing_is_requested_expect_every_task_with_its_scenes_own_sentence(name):
    tasks = find_tasks(robot(name), None)
    trained = {task.sample(seed).instruction for task in tasks for seed in range(7, 20)}
    shown = each_task(robot(name), seed=7, episodes=2, trained=trained)
    assert [(e.task, e.seed) for e in shown] == [(t.name, s) for t in tasks for s in (7, 8)]
    assert all(e.judged for e in shown)
    assert shown[1].instruction == tasks[0].sample(8).instruction


def test_when_a_checkpoint_was_not_trained_on_a_scenes_sentence_expect_the_next_scenes():
    (task,) = find_tasks(robot("mobile_base"), "go_to")
    trained = {task.sample(seed).instruction for seed in (3, 9)}
    shown = each_task(robot("mobile_base"), seed=0, episodes=2, trained=trained)
    wanted = [s for s in range(10) if task.sample(s).instruction in trained][:2]
    assert [(e.task, e.seed) for e in shown] == [("go_to", seed) for seed in wanted]


def test_when_weights_were_trained_on_one_task_expect_no_scene_of_another():
    (task,) = find_tasks(robot("widowx"), "pick_up")
    trained = {task.sample(seed).instruction for seed in range(50)}
    shown = each_task(robot("widowx"), seed=0, episodes=3, trained=trained)
    assert [(e.task, e.seed) for e in shown] == [("pick_up", seed) for seed in range(3)]


@pytest.mark.parametrize("name", SENTENCES)
def test_when_a_sentence_is_given_expect_the_first_scenes_that_ask_for_it_in_any_words(name):
    sentence, asked = SENTENCES[name]
    shown = asking_for(robot(name), sentence, seed=3, episodes=2)
    (task,) = find_tasks(robot(name), asked)
    wanted = task.wording.read(sentence)
    asking = [s for s in range(3, 400) if task.wording.read(task.sample(s).instruction) == wanted]
    assert [(e.task, e.seed) for e in shown] == [(asked, seed) for seed in asking[:2]]
    assert all(e.instruction == sentence and e.judged for e in shown)


@pytest.mark.parametrize(
    "sentence", ["fold the towel", "pick up the red cube with the third arm", "go"]
)
def test_when_no_task_can_read_a_sentence_expect_it_used_and_not_judged(sentence):
    assert asking_for(robot("aloha"), sentence, seed=0, episodes=1) == []
    (shown,) = usual_scenes(robot("aloha"), sentence, seed=4, episodes=1)
    assert (shown.task, shown.seed, shown.judged) == ("pick_up_cube", 4, False)
    assert shown.instruction == sentence
