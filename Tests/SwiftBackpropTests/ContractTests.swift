import CBridge
import Testing

// Everything here goes through swift_backprop.h, as a program in C would.

/// A net of the given sizes; the caller destroys it.
func makeNet(
  _ sizes: [Int64], hidden: String = "tanh", output: String = "sigmoid",
  loss: String = "binary_cross_entropy", optimizer: String = "adam", rate: Double? = nil,
  dtype: Int32 = SB_FLOAT64, error: inout sb_error
) -> OpaquePointer? {
  try? #require(LoadedBLAS.failure == nil)
  var net: OpaquePointer?
  hidden.withCString { hidden in
    output.withCString { output in
      loss.withCString { loss in
        optimizer.withCString { optimizer in
          "glorot_uniform".withCString { start in
            let layers = sizes.count - 1
            var activations = [sb_rule](
              repeating: sb_rule(name: hidden, parameters: nil), count: Swift.max(layers, 1))
            activations[activations.count - 1].name = output
            let starts = [sb_rule](
              repeating: sb_rule(name: start, parameters: nil), count: Swift.max(layers, 1))
            let hyper = [rate ?? 0.05, 0.9, 0.999, 1e-8]
            hyper.withUnsafeBufferPointer { hyper in
              sizes.withUnsafeBufferPointer { sizes in
                activations.withUnsafeBufferPointer { activations in
                  starts.withUnsafeBufferPointer { starts in
                    var config = sb_config()
                    config.sizes = sizes.baseAddress
                    config.layers = Int64(layers)
                    config.activations = activations.baseAddress
                    config.initializers = starts.baseAddress
                    config.loss = sb_rule(name: loss, parameters: nil)
                    config.optimizer = sb_rule(name: optimizer, parameters: hyper.baseAddress)
                    config.dtype = dtype
                    config.seed = 1
                    _ = sb_create_net(&config, &net, &error)
                  }
                }
              }
            }
          }
        }
      }
    }
  }
  return net
}

/// A dense matrix of doubles as the contract sees it.
func matrix(_ data: UnsafePointer<Double>, _ rows: Int64, _ cols: Int64) -> sb_array {
  sb_array(
    data: data, rows: rows, cols: cols, row_stride: 8 * cols, col_stride: 8, dtype: SB_FLOAT64,
    ndim: 2, swapped: 0, reserved: 0)
}

/// Trains a net to the end; `look` sees the training before it is freed.
private func train(
  _ net: OpaquePointer, _ x: sb_array, _ y: sb_array, epochs: Int64, batchSize: Int64,
  look: (_ fit: OpaquePointer?) -> Void = { _ in }
) {
  withUnsafePointer(to: x) { x in
    withUnsafePointer(to: y) { y in
      var config = sb_fit_config()
      (config.x, config.y, config.epochs, config.batch_size) = (x, y, epochs, batchSize)
      var (fit, progress, error): (OpaquePointer?, _, _) = (nil, sb_progress(), sb_error())
      #expect(sb_fit_begin(net, &config, &fit, &error) == SB_OK, "\(text(error))")
      while progress.done == 0, sb_fit_run(fit, 1_000_000, &progress, &error) == SB_OK {}
      #expect(progress.done == 1, "\(text(error))")
      look(fit)
      sb_fit_end(fit)
    }
  }
}

private let xorInputs: [Double] = [0, 0, 0, 1, 1, 0, 1, 1]
private let xorTargets: [Double] = [0, 1, 1, 0]

@Suite(.serialized) struct ContractTests {
  @Test func blasIsThere() {
    #expect(LoadedBLAS.failure == nil)
    #expect(sb_has_blas() == 1)
    #expect(sb_abi_version() == SB_ABI_VERSION)
  }

  @Test func xorByForwardBackwardStep() throws {
    var error = sb_error()
    let net = try #require(makeNet([2, 8, 1], error: &error), "\(text(error))")
    defer { sb_destroy_net(net) }
    xorInputs.withUnsafeBufferPointer { x in
      xorTargets.withUnsafeBufferPointer { t in
        var x = matrix(x.baseAddress!, 4, 2)
        var t = matrix(t.baseAddress!, 4, 1)
        var cost = 0.0
        for _ in 0..<300 {
          #expect(sb_forward(net, &x, &error) == SB_OK, "\(text(error))")
          #expect(sb_backward(net, &t, nil, 0, &cost, &error) == SB_OK, "\(text(error))")
          #expect(sb_step(net, &error) == SB_OK, "\(text(error))")
        }
        #expect(cost < 0.05)
        var a = [Double](repeating: -1, count: 4)
        #expect(sb_predict(net, &x, 0, 4, &a, &error) == SB_OK)
        #expect(a.map { $0 > 0.5 } == [false, true, true, false])
      }
    }
  }

  @Test func fitEqualsTheLoopOfSteps() throws {
    var error = sb_error()
    let stepped = try #require(makeNet([2, 8, 1], error: &error))
    let fitted = try #require(makeNet([2, 8, 1], error: &error))
    defer {
      sb_destroy_net(stepped)
      sb_destroy_net(fitted)
    }
    xorInputs.withUnsafeBufferPointer { x in
      xorTargets.withUnsafeBufferPointer { t in
        var x = matrix(x.baseAddress!, 4, 2)
        var t = matrix(t.baseAddress!, 4, 1)
        for _ in 0..<20 {
          _ = sb_forward(stepped, &x, &error)
          _ = sb_backward(stepped, &t, nil, 0, nil, &error)
          _ = sb_step(stepped, &error)
        }
        train(fitted, x, t, epochs: 20, batchSize: 4) { fit in
          var record = sb_epoch()
          #expect(sb_fit_epoch(fit, 19, &record, &error) == SB_OK)
          #expect(sb_fit_epoch(fit, 20, &record, &error) == SB_ERROR_VALUE)
          #expect(record.accuracy >= 0 && record.accuracy <= 1)
        }
      }
    }
    var (one, other) = (sb_view(), sb_view())
    #expect(sb_get_view(stepped, SB_PARAMETERS, 0, &one, &error) == SB_OK)
    #expect(sb_get_view(fitted, SB_PARAMETERS, 0, &other, &error) == SB_OK)
    let (u, v) = (
      one.data.assumingMemoryBound(to: Double.self), other.data.assumingMemoryBound(to: Double.self)
    )
    for i in 0..<Int(one.shape.0) { #expect(abs(u[i] - v[i]) < 1e-12) }
    sb_release_owner(one.owner)
    sb_release_owner(other.owner)
  }

  /// A narrow layer behind many inputs, whose panel of grad_W has many rows.
  @Test func panelsOfRoundedFactorsHaveRoom() throws {
    var error = sb_error()
    let net = try #require(
      makeNet(
        [5000, 40, 1], output: "identity", loss: "squared_error", dtype: SB_FLOAT32, error: &error))
    defer { sb_destroy_net(net) }
    let precision = Double(SB_PRECISION_BFLOAT16)
    #expect(sb_set_option(net, SB_OPTION_PRECISION, precision, &error) == SB_OK, "\(text(error))")
    let x = (0..<10000).map { Double($0 % 7) - 3 }
    try x.withUnsafeBufferPointer { x in
      try xorTargets.withUnsafeBufferPointer { t in
        train(
          net, matrix(try #require(x.baseAddress), 2, 5000),
          matrix(try #require(t.baseAddress), 2, 1), epochs: 2, batchSize: 2)
      }
    }
  }

  @Test func viewsOutliveTheirNet() throws {
    var error = sb_error()
    let net = try #require(
      makeNet([3, 5, 2], output: "identity", loss: "squared_error", error: &error))
    var view = sb_view()
    #expect(sb_get_view(net, SB_W, 1, &view, &error) == SB_OK)
    #expect(view.shape == (5, 3))
    #expect(view.strides == (8, 40))
    sb_destroy_net(net)
    let w = view.data.assumingMemoryBound(to: Double.self)
    #expect((0..<15).allSatisfy { w[$0].isFinite && w[$0] != 0 })
    sb_release_owner(view.owner)
  }

  @Test func aHeldSnapshotDoesNotChange() throws {
    var error = sb_error()
    let net = try #require(makeNet([2, 4, 1], error: &error))
    defer { sb_destroy_net(net) }
    xorInputs.withUnsafeBufferPointer { data in
      var x = matrix(data.baseAddress!, 2, 2)
      var y = matrix(data.baseAddress! + 4, 2, 2)
      #expect(sb_forward(net, &x, &error) == SB_OK)
      var first = sb_view()
      #expect(sb_get_view(net, SB_A, 2, &first, &error) == SB_OK)
      let a = first.data.assumingMemoryBound(to: Double.self)
      let before = [a[0], a[1]]
      #expect(sb_forward(net, &y, &error) == SB_OK)
      #expect([a[0], a[1]] == before)
      sb_release_owner(first.owner)
    }
  }

  @Test func wrongCallsGetSentences() throws {
    var error = sb_error()
    #expect(makeNet([2], error: &error) == nil)
    #expect(makeNet([2, 0, 1], error: &error) == nil)
    #expect(text(error).contains("layer 1"))
    #expect(makeNet([2, 3, 1], hidden: "rleu", error: &error) == nil)
    #expect(text(error).contains("rleu") && text(error).contains("leaky_relu"))
    #expect(makeNet([2, 3, 1], rate: -1, error: &error) == nil)
    #expect(text(error).contains("lr of adam"))
    #expect(makeNet([1 << 30, 1 << 30, 1 << 30], error: &error) == nil)
    #expect(error.status == SB_ERROR_MEMORY)

    let net = try #require(makeNet([2, 3, 1], error: &error))
    defer { sb_destroy_net(net) }
    xorInputs.withUnsafeBufferPointer { data in
      var x = matrix(data.baseAddress!, 4, 2)
      var wide = matrix(data.baseAddress!, 2, 4)
      #expect(sb_backward(net, &x, nil, 0, nil, &error) == SB_ERROR_ORDER)
      #expect(text(error).contains("call forward first"))
      #expect(sb_step(net, &error) == SB_ERROR_ORDER)
      #expect(sb_forward(net, &wide, &error) == SB_ERROR_SHAPE)
      #expect(text(error).contains("(2, 4)") && text(error).contains("D(0)"))
      #expect(sb_forward(net, nil, &error) == SB_ERROR_VALUE)
      #expect(sb_forward(nil, &x, &error) == SB_ERROR_ORDER)
      #expect(sb_forward_by(nil, &x, SB_LOOPS, 0, &error) == SB_ERROR_ORDER)
      #expect(sb_forward_by(net, &x, 3, 0, &error) == SB_ERROR_VALUE)
      #expect(text(error).contains("no method 3"))
      #expect(sb_forward(net, &x, nil) == SB_OK)
      #expect(sb_backward(net, &x, nil, 0, nil, &error) == SB_ERROR_SHAPE)
      var view = sb_view()
      #expect(sb_get_view(net, SB_W, 3, &view, &error) == SB_ERROR_VALUE)
      #expect(sb_get_view(net, SB_GRAD_Z, 1, &view, &error) == SB_ERROR_ORDER)
      x.dtype = 99
      #expect(sb_forward(net, &x, &error) == SB_ERROR_TYPE)
    }
    sb_destroy_net(nil)
    sb_fit_end(nil)
    sb_evaluation_end(nil)
    sb_release_owner(nil)
  }
}
