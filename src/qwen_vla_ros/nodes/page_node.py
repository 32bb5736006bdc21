"""page_node: the robot in a browser, for whoever has the address that it prints.

Its own process. The page sees what everybody on the network sees, and asks what every person may
ask for: services of control_node, the instruction, and the topic of the keyboard for teleop_node.
It commands no hardware.
"""

import time
from queue import Empty, SimpleQueue

from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Joy
from std_msgs.msg import String

from qwen_vla_core.embodiment.schema import Keyboard
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.instruction import MAX_INSTRUCTION_CHARS, check_instruction
from qwen_vla_core.modes import split_mode
from qwen_vla_core.resources import share_directory
from qwen_vla_core.teleop.keys import RELEASED

from .. import diagnostics
from ..diagnostics import DiagnosticsPublisher
from ..every_publisher import subscribe_to_state
from ..page.access import Access
from ..page.files import read_files
from ..page.hello import hello
from ..page.images import jpeg_from_message
from ..page.journal import NUMBER, Journal
from ..page.messages import Guard, Hands, Instruct, Keys, Message, Request, Seen
from ..page.presence import Consequence, Presence
from ..page.requests import Requests
from ..page.server import PageServer
from ..page.state import page_state
from ..qos import LATCHED, RELIABLE
from ..robot_inputs import NodeReport, RobotInputs
from ..trigger_client import MOVES
from .lifecycle import EmbodimentNode, read_only
from .parameters import declare_integer
from .process import run

DRAW_PERIOD_S = 0.1
"""Pages are drawn at 10 Hz."""

REPORT_S = 3.0
"""Diagnostics come once a second; a node that has missed three is silent."""

MOVING = ("AUTONOMY", "START")
"""Modes that a page which guards autonomy ends when nobody sees it."""

MODE_LEVELS = {"AUTONOMY": "good", "TELEOP": "good", "START": "good", "ESTOP": "bad"}


class PageNode(EmbodimentNode):
    """The page of one robot."""

    def __init__(self) -> None:
        super().__init__("page_node")
        self.declare_parameter(
            "host", "127.0.0.1", read_only("address to listen on; 0.0.0.0 for the whole network")
        )
        declare_integer(
            self, "port", 8765, "TCP port; 0 for any that is free", (0, 65535), read_only=True
        )
        self._server: PageServer | None = None

    def configure(self) -> None:
        """Listen; from then on pages can be opened."""
        self._embodiment = robot = self.load_embodiment()
        sections = robot.teleop.devices if robot.teleop is not None else ()
        self._keyboard = next((s for s in sections if isinstance(s, Keyboard)), None)
        self._joy = self._instruction = None  # made when used: who publishes counts
        self._presence = Presence(silence_s=robot.watchdogs.teleop_s)
        self._said: dict[str, tuple[int, str]] = {}
        self._requests = Requests(self)
        self._diagnostics = DiagnosticsPublisher(self, robot.name, self.embodiment_sha256)
        self._refused = ""
        self._inbox: SimpleQueue = SimpleQueue()
        self._arrived = self.create_guard_condition(self._read_inbox)
        self.at_cleanup(lambda: self.destroy_guard_condition(self._arrived))
        self._journal = Journal(lambda line: self._server.tell(None, line))
        self._inputs = RobotInputs(self, robot, self._on_mode, self._on_report, self._refuse)
        subscribe_to_state(self, String, "policy/instruction", self._on_instruction)
        host, access = self.text("host"), Access(self.text("host"))
        self._server = PageServer(
            access,
            read_files(share_directory() / "resource" / "web"),
            hello(robot, simulated=self.get_parameter("simulated").value),
            on_open=lambda page: self._receive(page, "opened"),
            on_message=self._receive,
        )
        port = self._server.start(host, self.get_parameter("port").value)
        self.at_cleanup(self._server.close)
        self.url = access.url(port)
        # Not in the log, which the network receives on /rosout.
        print(f"the page of {robot.name}: open {self.url}", flush=True)
        if not access.loopback:
            self.get_logger().warning(
                "everybody in this network who has that address can move the robot; the "
                "connection is not encrypted (docs/page.md)"
            )

    def on_activate(self, state: object) -> TransitionCallbackReturn:
        """Begin to draw."""
        self.every(DRAW_PERIOD_S, self._period)
        self.every(diagnostics.PERIOD_S, self._report)
        return super().on_activate(state)

    def on_deactivate(self, state: object) -> TransitionCallbackReturn:
        """Nobody is served any more: the keys are let go, and what was guarded is held."""
        guarded = "page_node ends, which a page guards by" if self._presence.guarded else ""
        self._act(Consequence(hold=guarded))
        if (holder := self._presence.holder) is not None:
            self._act(self._presence.give_keys(holder))
        return super().on_deactivate(state)

    # --- from pages; they come in the server's thread

    def _receive(self, page: int, message: Message | str | None) -> None:
        self._inbox.put((page, message))
        self._arrived.trigger()

    def _read_inbox(self) -> None:
        while True:
            try:
                page, message = self._inbox.get_nowait()
            except Empty:
                return
            self._handle(page, message, time.monotonic())

    def _handle(self, page: int, message: Message | str | None, now_s: float) -> None:
        match message:
            case Request() | Instruct() | Keys() | Guard() if not self.active:  # nothing watches
                self._answer(page, message.id, message.type, False, "page_node is not active")
            case Request(id=number, name=name) if name in MOVES and (
                late := self._presence.late(page, now_s)
            ):
                self._answer(page, number, name, False, late)
            case Instruct(id=number) if late := self._presence.late(page, now_s):
                self._answer(page, number, "instruction", False, late)
            case "opened":
                self._presence.join(page, now_s)
                for line in self._journal.lines():
                    self._server.tell(page, line)
            case None:
                self._act(self._presence.leave(page))
                if self.active:
                    self._watch()
            case Seen(number=number):
                self._presence.seen(page, number)
            case Hands():
                self._on_hands(page, message, now_s)
            case Request(id=number, name=name):
                self._requests.call(
                    name, lambda *answer: self._answer(page, number, name, *answer)
                )
            case Instruct(id=number, text=text):
                self._answer(page, number, "instruction", *self._instruct(text))
            case Keys(id=number, on=on):
                why = self._take_keys(page, now_s) if on else ""
                if not on:
                    self._act(self._presence.give_keys(page))
                self._answer(
                    page, number, "keys", not why, why or ("taken" if on else "given back")
                )
            case Guard(id=number, on=on):
                self._presence.guard(page, on, now_s)
                message = "the robot is held when nobody sees this page" if on else "off"
                self._answer(page, number, "guard", True, message)

    def _answer(self, page: int, number: int, name: str, granted: bool, text: str) -> None:
        self._server.tell(
            page, {"type": "answer", "id": number, "name": name, "granted": granted, "text": text}
        )
        label = name.removeprefix("control/").replace("_", " ")
        word = "" if granted or "refused" in text else "refused: "
        self._journal.write("info" if granted else "warn", f"{label}: {word}{text}", always=True)
        self.get_logger().info(f"page {page}: {label}: {word}{text}")

    def _instruct(self, text: str) -> tuple[bool, str]:
        try:
            instruction = check_instruction(text)
        except QwenVlaError as error:
            return False, str(error)
        if self._instruction is None:
            self._instruction = self.create_publisher(String, "policy/instruction", LATCHED)
        self._instruction.publish(String(data=instruction))
        return True, instruction

    # --- keys

    def _take_keys(self, page: int, now_s: float) -> str:
        if self._keyboard is None:
            return (
                f"{self._embodiment.name} has no keyboard in the teleop section of its YAML file"
            )
        report = self._inputs.nodes.get("teleop_node")
        if report is None or now_s - report.received_s > REPORT_S:
            return "no teleop_node is running: launch with teleop:=keyboard"
        if report.values.get("device") != "keyboard":
            return (
                f"teleop_node listens to {report.values.get('device')}: launch with "
                "teleop:=keyboard to move the robot from here"
            )
        if why := self._presence.take_keys(page, now_s):
            return why
        if self._joy is None:
            self._joy = self.create_publisher(Joy, self._keyboard.topic, RELIABLE)
        return ""

    def _on_hands(self, page: int, hands: Hands, now_s: float) -> None:
        pressed = self._presence.hands(page, hands.pressed, hands.number, now_s)
        if pressed is not None:
            axes = hands.axes if pressed else RELEASED[0]
            self._publish_keys(axes, pressed, hands.drive, hands.next_arm)

    def _publish_keys(self, axes, pressed=False, drive=False, next_arm=False) -> None:
        # Stops and recordings are buttons of a terminal; a page has services for them.
        others = RELEASED[1][3:]
        buttons = [int(pressed), int(drive), int(next_arm), *others]
        message = Joy(axes=list(axes), buttons=buttons)
        message.header.stamp = self.get_clock().now().to_msg()
        self._joy.publish(message)

    def _end_keys(self) -> None:
        if self._joy is not None:
            self._publish_keys(RELEASED[0])
            self.destroy_publisher(self._joy)
            self._joy = None

    def _period(self) -> None:
        self._watch()
        self._draw()

    # --- what silence means

    def _watch(self) -> None:
        self._act(self._presence.tick(time.monotonic(), self._mode() in MOVING))
        self._requests.expire()

    def _act(self, consequence: Consequence) -> None:
        if consequence.end_keys:
            self._end_keys()
        elif consequence.release and self._joy is not None:
            self._publish_keys(RELEASED[0])
        if consequence.message:
            self._journal.write("warn", consequence.message, always=True)
        if consequence.hold and self._mode() in MOVING:
            if not consequence.again:
                self._journal.write("warn", f"hold: {consequence.hold}", always=True)
                self.get_logger().warning(f"hold: {consequence.hold}")
            self._requests.call("control/hold", self._on_guards_hold)

    def _on_guards_hold(self, granted: bool, text: str) -> None:
        if not granted:
            self._journal.write("bad", f"hold was refused: {text}", always=True)

    # --- what is shown

    def _mode(self) -> str:
        return split_mode(self._inputs.mode)[0]

    def _draw(self) -> None:
        if not self._presence.count:
            return
        ros_s = self.now_s()
        self._inputs.read(ros_s)
        for number, camera in enumerate(self._embodiment.cameras):
            if (message := self._inputs.take_image(camera.name)) is not None:
                try:
                    self._server.show_image(number, jpeg_from_message(camera, message))
                except QwenVlaError as error:
                    self._refuse(str(error))
        state = page_state(
            self._inputs,
            ros_s=ros_s,
            services=self._requests.available(),
            holder=self._presence.holder,
            guarded=self._presence.guarded,
        )
        self._presence.shown(self._server.show(state), time.monotonic())

    def _on_instruction(self, message: String) -> None:
        self._inputs.said = message.data[:MAX_INSTRUCTION_CHARS]

    def _on_mode(self, text: str) -> None:
        level = MODE_LEVELS.get(split_mode(text)[0], "info")
        self._journal.write(level, text, always=True)

    def _on_report(self, report: NodeReport) -> None:
        before = self._said.get(report.name)
        said = report.level, NUMBER.sub("#", report.message)
        if said == before or report.message == self._inputs.mode:
            return
        self._said[report.name] = said
        if report.level or (before and before[0]):
            level = ("good", "warn", "bad")[min(report.level, 2)]
            self._journal.write(level, f"{report.name}: {report.message}")

    def _refuse(self, why: str) -> None:
        self._refused = why
        self._journal.write("warn", f"not shown: {why}")

    def _report(self) -> None:
        level = diagnostics.WARN if self._refused else diagnostics.OK
        message = f"not shown: {self._refused}" if self._refused else "serving"
        self._refused = ""
        self._diagnostics.publish(
            level,
            message,
            {
                "pages": self._presence.count,
                "guarded": self._presence.guarded,
                **self._inputs.values(self.now_s()),
            },
        )


def main() -> None:
    """Entry point of the page_node executable."""
    run(PageNode)


if __name__ == "__main__":
    main()
