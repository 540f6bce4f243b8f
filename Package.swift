// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "swiftbackprop",
  products: [
    // The Python extension: setup.py builds it once per instruction-set level, under this name.
    .library(name: "_core", type: .dynamic, targets: ["CBridge", "SwiftBackprop"]),
    // The same engine with its C contract exported, for programs in C.
    .library(name: "SwiftBackprop", type: .dynamic, targets: ["CBridge", "SwiftBackprop"]),
  ],
  targets: [
    .target(
      name: "CBridge",
      exclude: ["exports.map"],
      cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])],
      linkerSettings: [.linkedLibrary("m")]
    ),
    .target(name: "SwiftBackprop", dependencies: ["CBridge"]),
    .testTarget(name: "SwiftBackpropTests", dependencies: ["CBridge", "SwiftBackprop"]),
  ],
  swiftLanguageModes: [.v6]
)
