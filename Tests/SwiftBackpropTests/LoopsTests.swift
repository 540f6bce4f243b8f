import CBridge
import Testing

private let everyMethod = [SB_MATRICES, SB_VECTORS, SB_LOOPS]
private let sizes: [Int64] = [3, 5, 4, 2]
private let rows: Int64 = 7
private let inputs = (0..<21).map { Double($0 * 29 % 17) / 8 - 1 }
private let targets = (0..<14).map { Double($0 * 11 % 7) / 6 }
private let weights = [1, 0.5, 2, 0, 1, 3, 1]

/// The elements of quantity `what` of layer m.
private func values(_ net: OpaquePointer, _ what: Int32, _ m: Int64) -> [Double] {
  var (view, error) = (sb_view(), sb_error())
  guard sb_get_view(net, what, m, &view, &error) == SB_OK else { return [] }
  defer { sb_release_owner(view.owner) }
  let count = Int(view.ndim == 2 ? view.shape.0 * view.shape.1 : view.shape.0)
  return (0..<count).map { view.data.assumingMemoryBound(to: Double.self)[$0] }
}

/// Every quantity after a pass forward by one method and backward by another, and C.
private func pass(
  _ hidden: String, _ output: String, _ loss: String, forward: Int32, backward: Int32,
  weighted: Bool = false, turns: Int = 1
) -> (cost: Double, quantities: [[Double]]) {
  var (error, cost) = (sb_error(), 0.0)
  guard let net = makeNet(sizes, hidden: hidden, output: output, loss: loss, error: &error) else {
    return (.nan, [])
  }
  defer { sb_destroy_net(net) }
  inputs.withUnsafeBufferPointer { data in
    targets.withUnsafeBufferPointer { t in
      weights.withUnsafeBufferPointer { w in
        var x = matrix(data.baseAddress!, rows, 3)
        var t = matrix(t.baseAddress!, rows, 2)
        let w = matrix(w.baseAddress!, rows, 1)
        for turn in 0..<turns {
          #expect(sb_forward_by(net, &x, forward, 0, &error) == SB_OK, "\(text(error))")
          let status = withUnsafePointer(to: w) { w in
            sb_backward_by(
              net, &t, weighted ? w : nil, turn > 0 ? 1 : 0, backward, &cost, &error)
          }
          #expect(status == SB_OK, "\(text(error))")
        }
      }
    }
  }
  let what = [SB_Z, SB_A, SB_GRAD_Z, SB_GRAD_A, SB_GRAD_W, SB_GRAD_B]
  return (cost, (1...3).flatMap { m in what.map { values(net, $0, Int64(m)) } })
}

@Suite(.serialized) struct LoopsTests {
  @Test(
    arguments: ["tanh", "relu", "silu", "softmax"],
    [("identity", "squared_error"), ("sigmoid", "binary_cross_entropy"), ("softmax", "huber")])
  func everyMethodGivesTheSameNumbers(hidden: String, last: (String, String)) {
    for (weighted, turns) in [(false, 1), (true, 1), (true, 3)] {
      let wanted = pass(
        hidden, last.0, last.1, forward: SB_MATRICES, backward: SB_MATRICES, weighted: weighted,
        turns: turns)
      #expect(wanted.quantities.count == 18 && wanted.quantities.allSatisfy { !$0.isEmpty })
      for forward in everyMethod {
        for backward in everyMethod {
          let found = pass(
            hidden, last.0, last.1, forward: forward, backward: backward, weighted: weighted,
            turns: turns)
          #expect(abs(found.cost - wanted.cost) < 1e-13)
          for (one, other) in zip(found.quantities, wanted.quantities) {
            #expect(zip(one, other).allSatisfy { abs($0 - $1) < 1e-13 })
          }
        }
      }
    }
  }

  /// z = 2·3 − 1 = 5, a = 5, C = ½(5 − 4)², grad_z = 1, grad_W = 1·3, grad_b = 1.
  @Test(arguments: everyMethod) func anExampleWorkedOutByHand(method: Int32) throws {
    var error = sb_error()
    let net = try #require(
      makeNet([1, 1], output: "identity", loss: "squared_error", error: &error))
    defer { sb_destroy_net(net) }
    var view = sb_view()
    #expect(sb_get_view(net, SB_PARAMETERS, 0, &view, &error) == SB_OK)
    let parameters = view.data.assumingMemoryBound(to: Double.self)
    (parameters[0], parameters[1]) = (2, -1)
    sb_release_owner(view.owner)
    var (input, target, cost) = (3.0, 4.0, 0.0)
    withUnsafePointer(to: &input) { input in
      withUnsafePointer(to: &target) { target in
        var (x, t) = (matrix(input, 1, 1), matrix(target, 1, 1))
        #expect(sb_forward_by(net, &x, method, 0, &error) == SB_OK, "\(text(error))")
        #expect(
          sb_backward_by(net, &t, nil, 0, method, &cost, &error) == SB_OK, "\(text(error))")
      }
    }
    #expect(cost == 0.5)
    let found = [SB_Z, SB_A, SB_GRAD_Z, SB_GRAD_W, SB_GRAD_B].map { values(net, $0, 1) }
    #expect(found == [[5], [5], [1], [3], [1]])
  }
}
