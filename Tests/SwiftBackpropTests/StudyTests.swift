import CBridge
import Testing

// Jacobians, norms per example and Hessian-vector products through swift_backprop.h, against
// central differences of the engine's own forward and backward.

private let step = 1e-4

/// A network in float64 with inputs, targets and flat copies of its numbers.
private final class Subject {
  let net: OpaquePointer
  let sizes: [Int]
  let rows: Int
  var x: [Double]
  var t: [Double]
  var error = sb_error()

  init(_ sizes: [Int64], rows: Int, hidden: String, output: String, loss: String) throws {
    net = try #require(
      makeNet(sizes, hidden: hidden, output: output, loss: loss, error: &error), "\(text(error))")
    self.sizes = sizes.map { Int($0) }
    self.rows = rows
    x = (0..<rows * Int(sizes[0])).map { Double(($0 * 7919) % 23) / 11 - 1 }
    let outputs = Int(sizes[sizes.count - 1])
    t = (0..<rows * outputs).map { $0 % outputs == ($0 / outputs) % outputs ? 1 : 0 }
  }

  deinit { sb_destroy_net(net) }

  var outputs: Int { sizes[sizes.count - 1] }
  var parameterCount: Int { Int(sb_parameter_count(net)) }

  /// Runs `body` with X and the targets as the contract sees them.
  func withData(_ body: (inout sb_array, inout sb_array) -> Void) {
    x.withUnsafeBufferPointer { x in
      t.withUnsafeBufferPointer { t in
        guard let x = x.baseAddress, let t = t.baseAddress else { return }
        var (one, other) = (
          matrix(x, Int64(rows), Int64(sizes[0])), matrix(t, Int64(rows), Int64(outputs))
        )
        body(&one, &other)
      }
    }
  }

  /// A copy of quantity `what` of layer m.
  func numbers(_ what: Int32, _ m: Int = 0) -> [Double] {
    var view = sb_view()
    #expect(sb_get_view(net, what, Int64(m), &view, &error) == SB_OK, "\(text(error))")
    defer { sb_release_owner(view.owner) }
    let count = Int(view.shape.0) * (view.ndim == 2 ? Int(view.shape.1) : 1)
    let data = view.data.assumingMemoryBound(to: Double.self)
    return (0..<count).map { data[$0] }
  }

  func move(along v: [Double], by factor: Double) {
    var view = sb_view()
    #expect(sb_get_view(net, SB_PARAMETERS, 0, &view, &error) == SB_OK)
    defer { sb_release_owner(view.owner) }
    let data = view.data.assumingMemoryBound(to: Double.self)
    for i in v.indices { data[i] += factor * v[i] }
  }

  func pass() {
    withData { x, t in
      #expect(sb_forward(net, &x, &error) == SB_OK, "\(text(error))")
      #expect(sb_backward(net, &t, nil, 0, nil, &error) == SB_OK, "\(text(error))")
    }
  }

  /// The result of a call, walked over with no time at all: block by block.
  func walked(
    _ count: Int,
    _ call: (inout sb_array, inout sb_array, UnsafeMutablePointer<Double>, inout sb_block_iterator)
      -> sb_status
  ) -> [Double] {
    var out = [Double](repeating: .nan, count: count)
    withData { x, t in
      out.withUnsafeMutableBufferPointer { out in
        guard let out = out.baseAddress else { return }
        var blocks = sb_block_iterator(next: 0, max_ns: 0)
        while blocks.next < rows {
          let before = blocks.next
          let status = call(&x, &t, out, &blocks)
          #expect(status == SB_OK, "\(text(error))")
          guard status == SB_OK, blocks.next > before else { return }
        }
      }
    }
    return out
  }

  func jacobian(of: Int32, wrt: Int32, _ m: Int) -> [Double] {
    walked(rows * outputs * sizes[m]) { x, _, out, blocks in
      sb_jacobian(net, &x, of, wrt, Int64(m), out, &blocks, &error)
    }
  }
}

private func distance(_ u: [Double], _ v: [Double]) -> Double {
  zip(u, v).map { abs($0 - $1) }.max() ?? .infinity
}

private let pairs = [
  ("tanh", "softmax", "cross_entropy"), ("softmax", "sigmoid", "binary_cross_entropy"),
  ("gelu", "exp", "poisson"), ("silu", "identity", "squared_error"),
  ("softplus", "softmax", "squared_error"),
]

@Suite(.serialized) struct StudyTests {
  @Test(arguments: pairs)
  func jacobiansAreDifferences(hidden: String, output: String, loss: String) throws {
    let subject = try Subject([3, 5, 4, 2], rows: 6, hidden: hidden, output: output, loss: loss)
    let jacobian = subject.jacobian(of: SB_A, wrt: SB_A, 0)
    let x = subject.x
    for j in 0..<3 {
      var ends: [[Double]] = []
      for sign in [1.0, -1.0] {
        subject.x = x.indices.map { x[$0] + ($0 % 3 == j ? sign * step : 0) }
        subject.pass()
        ends.append(subject.numbers(SB_A, 3))
      }
      let slope = zip(ends[0], ends[1]).map { ($0 - $1) / (2 * step) }
      let column = (0..<12).map { jacobian[$0 * 3 + j] }
      #expect(distance(slope, column) < 1e-6)
    }
  }

  @Test func jacobiansCarryGradientsBack() throws {
    let subject = try Subject(
      [3, 5, 4, 2], rows: 6, hidden: "tanh", output: "sigmoid", loss: "squared_error")
    subject.pass()
    let last = subject.numbers(SB_GRAD_Z, 3)
    for m in 1...3 {
      let jacobian = subject.jacobian(of: SB_Z, wrt: SB_Z, m)
      let cols = subject.sizes[m]
      let carried = (0..<6 * cols).map { i in
        (0..<2).reduce(0.0) {
          $0 + last[i / cols * 2 + $1] * jacobian[(i / cols * 2 + $1) * cols + i % cols]
        }
      }
      #expect(distance(carried, subject.numbers(SB_GRAD_Z, m)) < 1e-14)
    }
  }

  @Test(arguments: pairs)
  func hessianProductsAreDifferences(hidden: String, output: String, loss: String) throws {
    let subject = try Subject([3, 5, 4, 2], rows: 6, hidden: hidden, output: output, loss: loss)
    let v = (0..<subject.parameterCount).map { Double(($0 * 31) % 17) / 17 - 0.5 }
    let product = v.withUnsafeBufferPointer { v in
      guard let base = v.baseAddress else { return [Double]() }
      var direction = matrix(base, Int64(v.count), 1)
      direction.ndim = 1
      return subject.walked(v.count) { x, t, out, blocks in
        sb_hvp(subject.net, &x, &t, nil, &direction, out, &blocks, &subject.error)
      }
    }
    var ends: [[Double]] = []
    for factor in [step, -2 * step] {
      subject.move(along: v, by: factor)
      subject.pass()
      ends.append(subject.numbers(SB_GRADIENTS))
    }
    let wanted = zip(ends[0], ends[1]).map { ($0 - $1) / (2 * step) }
    #expect(distance(product, wanted) < 1e-6)
  }

  @Test func normsAndInputGradientsOfManyBlocks() throws {
    let subject = try Subject(
      [3, 5, 2], rows: 2500, hidden: "tanh", output: "softmax", loss: "cross_entropy")
    let norms = subject.walked(2500 * 2) { x, t, out, blocks in
      sb_gradient_norms(subject.net, &x, &t, 1, out, &blocks, &subject.error)
    }
    let inputs = subject.walked(2500 * 3) { x, t, out, blocks in
      sb_input_gradient(subject.net, &x, &t, nil, 0, out, &blocks, &subject.error)
    }
    subject.pass()
    #expect(distance(inputs, subject.numbers(SB_GRAD_A, 0)) < 1e-14)
    let one = try Subject(
      [3, 5, 2], rows: 1, hidden: "tanh", output: "softmax", loss: "cross_entropy")
    for n in [0, 1023, 1024, 2499] {
      one.x = Array(subject.x[n * 3..<n * 3 + 3])
      one.t = Array(subject.t[n * 2..<n * 2 + 2])
      one.pass()
      for m in 1...2 {
        let gradient = one.numbers(SB_GRAD_W, m) + one.numbers(SB_GRAD_B, m)
        let square = gradient.reduce(0) { $0 + $1 * $1 }
        #expect(abs(norms[n * 2 + m - 1] - square.squareRoot()) < 1e-13)
      }
    }
  }
}
