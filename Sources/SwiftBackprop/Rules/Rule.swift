import CBridge

/// One adjustable number of a rule, such as leaky_relu's slope.
struct RuleParameter {
  let name: StaticString
  let defaultValue: Double
  /// Values that make sense; others are refused with a sentence that names this range.
  let allowed: Allowed

  enum Allowed { case any, positive, nonNegative, unitInterval }

  init(_ name: StaticString, _ defaultValue: Double, _ allowed: Allowed = .any) {
    self.name = name
    self.defaultValue = defaultValue
    self.allowed = allowed
  }
}

/// Rule metadata, exported through the C API.
struct RuleInfo {
  let name: StaticString
  let title: StaticString
  /// One line of ASCII.
  let formula: StaticString
  var parameters: [RuleParameter] = []
  /// `SB_RULE_...`
  var flags: Int32 = 0
  /// Of a loss: the output activation with which grad_z(L) comes to a − t, its default
  var canonicalOutput: StaticString = ""
  /// Of an activation: the initializer that its layers take by default
  var defaultInitializer: StaticString = ""
}

/// The values of a rule's parameters, in the order of its `RuleInfo`.
struct RuleValues {
  private var values: [Double]
  init(_ values: [Double]) { self.values = values }
  var count: Int { values.count }
  func allSatisfy(_ test: (Double) -> Bool) -> Bool { values.allSatisfy(test) }
  /// The value in place `index`; the list was checked against the rule's own.
  subscript(index: Int) -> Double {
    @inline(never) get { index < values.count ? values[index] : 0 }
    set { if index < values.count { values[index] = newValue } }
  }
}
