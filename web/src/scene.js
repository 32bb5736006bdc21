// The robot, what it is about to do, and what it did: drawn from the server's scene.
import * as THREE from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import URDFLoader from "urdf-loader";
import { $, css, make } from "./dom.js";
import { Strokes, floor } from "./strokes.js";

// A link of the ghost that is this near to the robot's only hides it, m.
const SAME = 0.01;
// The least that is seen of the room: of an arm, and of a base, which drives as far in its plan; m.
const ARM_ROOM = 0.5;
const BASE_ROOM = 1.6;
const GHOST = new THREE.Color(0.48, 0.36, 0.88);
const GRID_M = 0.25;
const GRID_LINES = 12;
const EVENT = [1, 0.85, 0.2];
const PLAN_PX = 5;
const THIN_PX = 2;
// Height and width of a label, and how far it is from its point, px.
const LABEL_PX = 22;
const WIDE_PX = 170;
const BESIDE_PX = 10;
// Pixels of the image for each of the screen's where no GPU draws it.
const BY_CPU = 0.75;

export class Scene {
  constructor() {
    this.place = $("scene");
    try {
      const antialias = !drawnByCpu();
      this.renderer = new THREE.WebGLRenderer({ antialias, powerPreference: "low-power" });
      this.renderer.setPixelRatio(antialias ? Math.min(devicePixelRatio, 2) : BY_CPU);
    } catch {
      this.place.append(make("p", "no-webgl", "This browser has no WebGL: the scene is not drawn."));
      return;
    }
    this.place.append(this.renderer.domElement);
    this.labels = make("div", "labels");
    this.place.append(this.labels);
    this.world = new THREE.Scene();
    this.world.background = new THREE.Color(0x10141b);
    this.camera = new THREE.PerspectiveCamera(42, 1, 0.02, 100);
    this.camera.up.set(0, 0, 1);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.addEventListener("change", () => this.render());
    this.world.add(new THREE.HemisphereLight(0xdfe8ff, 0x3a4150, 2.6));
    const sun = new THREE.DirectionalLight(0xffffff, 2.4);
    sun.position.set(1, -1.5, 3);
    this.world.add(sun);
    this.strokes = new Strokes(this.world);
    $("recentre").onclick = () => this.recentre();
    new ResizeObserver(() => this.resize()).observe(this.place);
    this.resize();
  }

  hello(message) {
    if (!this.renderer) return;
    this.colours = message.colours;
    this.hasBase = message.has_base;
    for (const old of [this.robot, this.ghost]) if (old) this.world.remove(old);
    this.robot = read(message.urdf);
    this.ghost = read(message.urdf);
    this.ghost.traverse((part) => {
      if (!part.isMesh) return;
      part.material = new THREE.MeshLambertMaterial({
        color: GHOST,
        transparent: true,
        opacity: 0.28,
        depthWrite: false,
      });
    });
    this.ghost.visible = false;
    this.robot.visible = false;
    this.world.add(this.robot, this.ghost);
    this.framed = false;
  }

  state(state) {
    if (!this.robot) return;
    const scene = state.scene;
    this.pose(this.robot, scene.joints);
    this.pose(this.ghost, scene.ghost);
    this.hideSame();
    if (!this.framed && this.robot.visible) this.recentre();
    this.follow(scene);
    this.strokes.begin();
    for (const path of scene.old_plans)
      this.strokes.line(path.points, THIN_PX, this.colours.old, path.opacity * 0.6);
    for (const path of scene.executed)
      this.strokes.line(path.points, THIN_PX + 1, this.colours.executed, 0.9);
    // What nobody has engaged is not what will happen.
    const opacity = state.mode === "AUTONOMY" ? 1 : 0.35;
    for (const path of scene.plan) this.plan(path, opacity);
    scene.footprints.forEach((outline, number) => this.footprint(outline, number));
    for (const hit of scene.limits)
      if (hit.point) this.strokes.ball(hit.point, this.colours.limit, 0.035);
    for (const event of scene.events) this.strokes.ball(event.point, EVENT, 0.012);
    this.strokes.end();
    this.said = [
      ...scene.events.map((event) => ({
        point: event.point,
        text: `${event.group.replaceAll("_", " ")} ${event.text} in ${event.due_in_s.toFixed(1)} s`,
      })),
      ...scene.plan.filter((path) => last(path.due_in) >= 0).map((path) => ({
        point: last(path.points),
        text: `in ${last(path.due_in).toFixed(1)} s`,
        colour: last(path.colours),
      })),
      ...scene.limits.filter((hit) => hit.point).map((hit) => ({
        point: hit.point,
        text: hit.joint.replaceAll("_", " "),
        bad: true,
      })),
    ];
    $("committed").hidden = !scene.plan.some((path) => path.committed);
    $("at-limit").hidden = !scene.limits.length;
    this.render();
  }

  pose(robot, joints) {
    robot.visible = Boolean(joints) && Object.keys(joints).length > 0;
    if (robot.visible) for (const name in joints) robot.setJointValue(name, joints[name]);
  }

  // The view moves along with a base.
  follow(scene) {
    const { base_x: x, base_y: y } = scene.joints;
    if (x === undefined || !this.framed) return;
    const moved = new THREE.Vector3(x - (this.at?.x ?? x), y - (this.at?.y ?? y), 0);
    this.at = { x, y };
    this.camera.position.add(moved);
    this.controls.target.add(moved);
  }

  // Where the ghost is where the robot is, only the robot is drawn.
  hideSame() {
    if (!this.ghost.visible || !this.robot.visible) return;
    this.robot.updateMatrixWorld(true);
    this.ghost.updateMatrixWorld(true);
    for (const name in this.ghost.links) {
      const there = this.ghost.links[name].matrixWorld.elements;
      const here = this.robot.links[name].matrixWorld.elements;
      const same = there.every((value, k) => Math.abs(value - here[k]) < SAME);
      for (const part of this.ghost.links[name].children)
        if (part.isURDFVisual) part.visible = !same;
    }
  }

  plan(path, opacity) {
    const colours = path.colours.map((colour, k) =>
      k < path.committed ? this.colours.committed : colour,
    );
    this.strokes.line(path.points, PLAN_PX, colours, opacity);
    path.points.forEach((point, k) => {
      if (path.due_in[k] >= 0) this.strokes.ball(point, colours[k], 0.006);
    });
    this.strokes.ball(last(path.points), last(colours), 0.014);
  }

  footprint(outline, number) {
    const colour = number ? GHOST.toArray() : this.colours.executed;
    this.strokes.line([...outline, outline[0]], THIN_PX, colour, number ? 0.5 : 0.9);
  }

  // From behind the robot's right: its left is to the left, and ahead is away.
  recentre() {
    if (!this.robot?.visible) return;
    this.robot.updateMatrixWorld(true);
    const box = new THREE.Box3().setFromObject(this.robot);
    const room = this.hasBase ? BASE_ROOM : ARM_ROOM;
    const size = Math.max(box.getSize(new THREE.Vector3()).length(), room);
    const centre = box.getCenter(new THREE.Vector3());
    this.controls.target.copy(centre);
    this.camera.position.copy(centre).add(new THREE.Vector3(-0.8, -0.75, 0.6).multiplyScalar(size));
    this.controls.update();
    if (!this.grid) {
      this.grid = floor(GRID_M, GRID_LINES);
      this.world.add(this.grid);
    }
    this.framed = true;
    this.render();
  }

  resize() {
    this.width = this.place.clientWidth;
    this.height = this.place.clientHeight;
    if (!this.width || !this.height) return;
    this.renderer.setSize(this.width, this.height);
    this.camera.aspect = this.width / this.height;
    this.camera.updateProjectionMatrix();
    this.render();
  }

  render() {
    if (!this.width || !this.robot) return;
    this.renderer.render(this.world, this.camera);
    const placed = (this.said ?? []).map((said) => {
      const at = new THREE.Vector3(...said.point).project(this.camera);
      return { ...said, x: ((at.x + 1) / 2) * this.width, y: ((1 - at.y) / 2) * this.height };
    });
    this.labels.replaceChildren(...apart(placed).map((one) => this.label(one)));
  }

  // Right of its point, or left of it near the right edge.
  label({ text, bad, colour, x, y }) {
    const label = make("span", bad ? "bad" : "", text);
    if (colour) label.style.borderLeft = `5px solid ${css(colour)}`;
    if (x > 0.75 * this.width) label.style.right = `${this.width - x + BESIDE_PX}px`;
    else label.style.left = `${x + BESIDE_PX}px`;
    label.style.top = `${y}px`;
    return label;
  }
}

// Each above its point, or below the labels of points that are near: they would hide one another.
function apart(labels) {
  const placed = [];
  for (const label of labels.sort((a, b) => a.y - b.y)) {
    label.y -= LABEL_PX;
    for (const other of placed)
      if (Math.abs(other.x - label.x) < WIDE_PX) label.y = Math.max(label.y, other.y + LABEL_PX);
    placed.push(label);
  }
  return placed;
}

function last(values) {
  return values[values.length - 1];
}

// Without a GPU smooth edges would take twice the time of all the rest.
function drawnByCpu() {
  const gl = document.createElement("canvas").getContext("webgl2");
  const names = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = names ? gl.getParameter(names.UNMASKED_RENDERER_WEBGL) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

function read(urdf) {
  const loader = new URDFLoader();
  const robot = loader.parse(urdf);
  robot.traverse((part) => {
    if (part.isURDFJoint) part.ignoreLimits = true; // what is measured is drawn
  });
  return robot;
}
