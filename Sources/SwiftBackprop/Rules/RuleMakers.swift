// Which of a list entry's makers belongs to which scalar type. The makers are formed where
// the type is concrete, so that every loop is specialised; here is the only choice.

extension Float {
  static func kernels(_ entry: ActivationEntry, _ values: RuleValues) -> ActivationKernels<Float> {
    entry.float(values)
  }
  static func kernels(_ entry: LossEntry, _ values: RuleValues) -> LossKernels<Float> {
    entry.float(values)
  }
  static func kernels(_ entry: OptimizerEntry, _ values: RuleValues) -> OptimizerKernels<Float> {
    entry.float(values)
  }
}

extension Double {
  static func kernels(_ entry: ActivationEntry, _ values: RuleValues) -> ActivationKernels<Double> {
    entry.double(values)
  }
  static func kernels(_ entry: LossEntry, _ values: RuleValues) -> LossKernels<Double> {
    entry.double(values)
  }
  static func kernels(_ entry: OptimizerEntry, _ values: RuleValues) -> OptimizerKernels<Double> {
    entry.double(values)
  }
}
