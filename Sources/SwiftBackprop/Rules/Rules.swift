import CBridge

/// The rules by kind and by name: the only place that looks a name up.
enum Rules {
  /// The descriptions of every rule of a kind, in the engine's order.
  static func list(_ kind: Int32) -> [RuleInfo]? {
    switch kind {
    case SB_ACTIVATION: ActivationEntry.all.map { $0.info }
    case SB_LOSS: LossEntry.all.map { $0.info }
    case SB_OPTIMIZER: OptimizerEntry.all.map { $0.info }
    case SB_INITIALIZER: InitializerEntry.all.map { $0.info }
    default: nil
    }
  }

  /// The place of `rule` in the list `infos` and its checked parameters.
  static func find(
    _ rule: sb_rule, in infos: [RuleInfo], kind: StaticString
  ) throws(EngineError) -> (index: Int, values: [Double]) {
    guard let name = rule.name else { throw .value("the name of the \(kind) is missing") }
    for (index, info) in infos.enumerated() where info.name.equals(name) {
      return (index, try values(rule.parameters, of: info))
    }
    var known: Message = ""
    for (index, info) in infos.enumerated() where !info.isExternal {
      known = known + (index == 0 ? "" : ", ") + "\(info.name)"
    }
    throw .value("unknown \(kind) '\(cString: name)'; allowed: \(known)")
  }

  /// The parameters given, or the defaults, each within what its rule allows.
  private static func values(
    _ given: UnsafePointer<Double>?, of info: RuleInfo
  ) throws(EngineError) -> [Double] {
    var values: [Double] = []
    for (place, parameter) in info.parameters.enumerated() {
      let value = given?[place] ?? parameter.defaultValue
      try check(value, parameter, of: info)
      values.append(value)
    }
    return values
  }

  static func check(
    _ value: Double, _ parameter: RuleParameter, of info: RuleInfo
  ) throws(EngineError) {
    let (fits, expected): (Bool, StaticString) =
      switch parameter.allowed {
      case .any: (value.isFinite, "finite")
      case .positive: (value.isFinite && value > 0, "a finite number > 0")
      case .nonNegative: (value.isFinite && value >= 0, "a finite number >= 0")
      case .unitInterval: (value >= 0 && value < 1, "a number in [0, 1)")
      }
    guard fits else {
      throw .value("\(parameter.name) of \(info.name) must be \(expected)")
    }
  }
}

extension StaticString {
  /// Byte for byte; `String ==` would need Unicode's tables.
  func equals(_ other: UnsafePointer<CChar>) -> Bool { strcmp(cString, other) == 0 }

  /// The zero-terminated bytes, which live as long as the process.
  var cString: UnsafePointer<CChar> {
    UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
  }
}

/// Refuses what no network computes with.
func checkScalar(_ dtype: Int32) throws(EngineError) {
  guard dtype == SB_FLOAT32 || dtype == SB_FLOAT64 else {
    throw .type("the engine computes in float32 or float64")
  }
}

extension Rules {
  private static func check(order: Int32) throws(EngineError) {
    guard order >= 0, order <= 2 else {
      throw .value("the order must be 0 (the value), 1 or 2 (a derivative)")
    }
  }

  /// An activation, or its first or second derivative, of x [rows, cols].
  static func apply(
    activation rule: sb_rule, order: Int32, dtype: Int32, _ x: UnsafeRawPointer,
    _ out: UnsafeMutableRawPointer, _ rows: Int, _ cols: Int
  ) throws(EngineError) {
    try checkScalar(dtype)
    try check(order: order)
    let entries = ActivationEntry.all
    let found = try find(rule, in: entries.map { $0.info }, kind: "activation")
    let entry = entries[found.index]
    guard order == 0 || entry.info.flags & SB_RULE_ROWS == 0 else {
      throw .value("\(entry.info.name) acts on rows: its derivative is a matrix, not elementwise")
    }
    let values = RuleValues(found.values)
    func apply<T: Scalar>(_: T.Type) {
      T.kernels(entry, values).apply(
        order, x.assumingMemoryBound(to: T.self), out.assumingMemoryBound(to: T.self), rows, cols)
    }
    if dtype == SB_FLOAT32 { apply(Float.self) } else { apply(Double.self) }
  }

  /// A loss, or its first or second derivative by a, of `count` elements.
  static func apply(
    loss rule: sb_rule, order: Int32, dtype: Int32, _ a: UnsafeRawPointer, _ t: UnsafeRawPointer,
    _ out: UnsafeMutableRawPointer, _ count: Int
  ) throws(EngineError) {
    try checkScalar(dtype)
    try check(order: order)
    let entries = LossEntry.all
    let found = try find(rule, in: entries.map { $0.info }, kind: "loss")
    let values = RuleValues(found.values)
    func apply<T: Scalar>(_: T.Type) {
      T.kernels(entries[found.index], values).apply(
        order, a.assumingMemoryBound(to: T.self), t.assumingMemoryBound(to: T.self),
        out.assumingMemoryBound(to: T.self), count)
    }
    if dtype == SB_FLOAT32 { apply(Float.self) } else { apply(Double.self) }
  }
}

extension RuleInfo {
  /// The same for C.
  var described: sb_rule_info {
    var result = sb_rule_info()
    result.name = name.cString
    result.title = title.cString
    result.formula = formula.cString
    result.canonical_output = canonicalOutput.cString
    result.default_initializer = defaultInitializer.cString
    result.flags = flags
    result.parameter_count = Int32(Swift.min(parameters.count, Int(SB_MAX_PARAMETERS)))
    withUnsafeMutableBytes(of: &result.parameter_names) { names in
      withUnsafeMutableBytes(of: &result.parameter_defaults) { defaults in
        for i in 0..<Int(result.parameter_count) {
          names.storeBytes(
            of: parameters[i].name.cString, toByteOffset: i * MemoryLayout<Int>.stride,
            as: UnsafePointer<CChar>.self)
          defaults.storeBytes(
            of: parameters[i].defaultValue, toByteOffset: i * MemoryLayout<Double>.stride,
            as: Double.self)
        }
      }
    }
    return result
  }
}
