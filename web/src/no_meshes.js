// Stands in for urdf-loader's readers of mesh files, which our robots do not have.
export class STLLoader {}
export class ColladaLoader {}
