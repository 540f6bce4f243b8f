/// An initializer as the engine's list holds it: its description and its maker.
struct InitializerEntry {
  let info: RuleInfo
  let spread: @Sendable (_ values: RuleValues, _ fanIn: Double, _ fanOut: Double) -> Spread

  init<R: Initializer>(_: R.Type) {
    info = R.info
    spread = { R($0).spread(fanIn: $1, fanOut: $2) }
  }

  /// Every initializer the engine has. A new one is a file in this folder and a line here.
  static var all: [InitializerEntry] {
    [
      .init(GlorotUniform.self),
      .init(GlorotNormal.self),
      .init(HeUniform.self),
      .init(HeNormal.self),
      .init(LeCunUniform.self),
      .init(LeCunNormal.self),
      .init(Zeros.self),
    ]
  }
}

extension Spread {
  /// Draws `count` values. In double precision and without fused products, so that every
  /// instruction-set level gives the same bits.
  func draw<T: Scalar>(
    _ random: inout Random, into out: UnsafeMutablePointer<T>, count: Int
  ) {
    switch self {
    case .constant(let value):
      out.update(repeating: T(value), count: count)
    case .uniform(let limit):
      for i in 0..<count { out[i] = T((2 * random.uniform() - 1) * limit) }
    case .normal(let deviation):
      for i in 0..<count { out[i] = T(random.normal() * deviation) }
    }
  }
}
