// Lines and balls that are drawn anew with every state. Their materials stay: making one compiles
// shaders, which takes a computer without a GPU longer than all the rest of an image.
import * as THREE from "three";
import { Line2 } from "three/examples/jsm/lines/Line2.js";
import { LineGeometry } from "three/examples/jsm/lines/LineGeometry.js";
import { LineSegments2 } from "three/examples/jsm/lines/LineSegments2.js";
import { LineSegmentsGeometry } from "three/examples/jsm/lines/LineSegmentsGeometry.js";
import { LineMaterial } from "three/examples/jsm/lines/LineMaterial.js";

const MOST_BALLS = 512;

export class Strokes {
  constructor(world) {
    this.world = world;
    this.lines = [];
    const shape = new THREE.SphereGeometry(1, 10, 6);
    this.balls = new THREE.InstancedMesh(shape, new THREE.MeshBasicMaterial(), MOST_BALLS);
    this.balls.frustumCulled = false;
    this.balls.count = 0;
    world.add(this.balls);
  }

  begin() {
    this.used = 0;
    this.balls.count = 0;
  }

  end() {
    for (const line of this.lines.slice(this.used)) line.visible = false;
    this.balls.instanceMatrix.needsUpdate = true;
    if (this.balls.instanceColor) this.balls.instanceColor.needsUpdate = true;
  }

  // colours: one for all points, or one for each.
  line(points, width, colours, opacity) {
    if (points.length < 2) return;
    const line = this.lines[this.used] ?? this.newLine();
    this.used += 1;
    const each = Array.isArray(colours[0]) ? colours : points.map(() => colours);
    line.geometry.dispose();
    line.geometry = new LineGeometry();
    line.geometry.setPositions(points.flat());
    line.geometry.setColors(each.flat());
    line.material.linewidth = width;
    line.material.opacity = opacity;
    line.renderOrder = width;
    line.visible = true;
  }

  newLine() {
    const material = new LineMaterial({ vertexColors: true, transparent: true, depthTest: false });
    const line = new Line2(new LineGeometry(), material);
    line.frustumCulled = false;
    this.lines.push(line);
    this.world.add(line);
    return line;
  }

  ball(point, colour, radius) {
    if (this.balls.count === MOST_BALLS) return;
    const at = new THREE.Matrix4().makeScale(radius, radius, radius).setPosition(...point);
    this.balls.setMatrixAt(this.balls.count, at);
    this.balls.setColorAt(this.balls.count, new THREE.Color(...colour));
    this.balls.count += 1;
  }
}

// The floor, z = 0, in squares; so many lines on each side of the middle.
export function floor(size, lines) {
  const far = size * lines;
  const ends = [];
  for (let k = -lines; k <= lines; k += 1) {
    ends.push(k * size, -far, 0, k * size, far, 0);
    ends.push(-far, k * size, 0, far, k * size, 0);
  }
  const geometry = new LineSegmentsGeometry();
  geometry.setPositions(ends);
  return new LineSegments2(geometry, new LineMaterial({ color: 0x2f3a4d, linewidth: 1 }));
}
