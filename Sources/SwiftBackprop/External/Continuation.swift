import CBridge

/// A call that stops where it needs numbers from outside, and what it has done so far.
///
/// Once they are there the call is made again, with the same arguments. It goes over everything
/// from the beginning, but `once` leaves out what is done and `ask` what is answered.
final class Continuation<T: Scalar> {
  /// What makes a call the same as before.
  struct Key: Equatable {
    enum Kind { case session, forward, backward, predict, jacobian, passes, hessianProduct }
    let kind: Kind
    var rows = 0
    var first = 0
    var last = 0
  }

  /// The network of the call; first in memory, so that it can be asked for whatever the number
  /// type is.
  private let network: Unmanaged<Network<T>>
  let key: Key
  private(set) var question = sb_question()
  /// Steps that are done, and the one that comes next when the call is made again.
  private var done = 0
  private var next = 0
  private var isAnswered = false

  /// What the steps that are done have seen
  var flags = OverflowFlags<T>()
  /// What a call keeps: whatever it is of these
  var explicit: ExternalForward<T>?
  var backward: ExternalBackward<T>?
  var tape: Tape<T>?
  /// What the masks of the tape look at, should dropout change meanwhile
  var rates: Storage<Double>?
  var workspace: Workspace<T>?
  var secondOrder: SecondOrderMemory<T>?
  var row = 0

  init(_ network: Network<T>, _ key: Key) {
    self.network = Unmanaged.passUnretained(network)
    self.key = key
  }

  /// Whether nothing is done yet.
  var isFresh: Bool { done == 0 && !isPending }
  private var isPending = false

  func belongs(to other: Network<T>) -> Bool {
    network.toOpaque() == Unmanaged.passUnretained(other).toOpaque()
  }

  /// Begins to go over the call; `isAnswered`: the answer to the question is there.
  func resume(isAnswered: Bool) {
    (next, self.isAnswered) = (0, isAnswered && isPending)
  }

  /// Begins with something new, such as the next batch.
  func restart() {
    (done, next, isPending, isAnswered) = (0, 0, false, false)
    (flags, tape, rates) = (OverflowFlags(), nil, nil)
  }

  /// Begins with the block of rows that `row` is the first of, unless it has begun.
  func begin(_ row: Int) {
    if row != self.row { restart() }
    self.row = row
  }

  /// Does `body`, unless it is done.
  func once(_ body: () throws(EngineError) -> Void) throws(EngineError) {
    if next == done {
      try body()
      done += 1
    }
    next += 1
  }

  /// Ends the call with a question, unless it is answered.
  func ask(_ make: () -> sb_question) throws(EngineError) {
    if next == done {
      guard isAnswered else {
        isPending = true
        question = make()
        throw EngineError(status: SB_ASKS, message: "a function of the caller's is asked for")
      }
      (isPending, isAnswered) = (false, false)
      done += 1
    }
    next += 1
  }
}

extension Network {
  /// What a session keeps of its calls; nil where nothing is asked.
  func sessionContinuation() -> Continuation<T>? {
    external == nil ? nil : Continuation(self, Continuation.Key(kind: .session))
  }

  /// Runs `body` as a call that may stop to ask, if the network has functions of the caller's.
  func asking<Result>(
    in session: Continuation<T>?, _ body: (Continuation<T>?) throws(EngineError) -> Result
  ) throws(EngineError) -> Result {
    let call = try session.map { (session) throws(EngineError) in
      try resumed(session.key, session: session)
    }
    do { return try body(call) } catch { throw stopped(call, error, isSession: true) }
  }

  /// The same for a call that is no session. What it has done is kept in the caller's question.
  func asking<Result>(
    ifExternal key: Continuation<T>.Key,
    _ body: (Continuation<T>?) throws(EngineError) -> Result
  ) throws(EngineError) -> Result {
    let call = external == nil ? nil : try resumed(key)
    do { return try body(call) } catch { throw stopped(call, error) }
  }

  /// The same where it is known that there are such functions.
  func asking<Result>(
    _ key: Continuation<T>.Key, _ body: (Continuation<T>) throws(EngineError) -> Result
  ) throws(EngineError) -> Result {
    let call = try resumed(key)
    do { return try body(call) } catch { throw stopped(call, error) }
  }

  /// The call that begins, or goes on where it stopped to ask.
  @inline(never)
  private func resumed(
    _ key: Continuation<T>.Key, session: Continuation<T>? = nil
  ) throws(EngineError) -> Continuation<T> {
    guard let place = questions else {
      throw .order(
        "this network has functions of the caller's: call sb_set_question first, to be asked")
    }
    let call = session ?? pending(place, key) ?? Continuation(self, key)
    call.resume(isAnswered: place.pointee.answered != 0)
    place.pointee.answered = 0
    return call
  }

  /// Keeps what the call has done if it stopped to ask; returns the error.
  @inline(never)
  private func stopped(
    _ call: Continuation<T>?, _ error: EngineError, isSession: Bool = false
  ) -> EngineError {
    guard let call else { return error }
    guard error.status == SB_ASKS, let place = questions else {
      call.restart()
      return error
    }
    place.pointee = call.question
    if !isSession {
      place.pointee.state = OpaquePointer(Unmanaged.passRetained(call).toOpaque())
    }
    return error
  }

  /// The call that has stopped to ask, if it is the same as this one.
  private func pending(
    _ place: UnsafeMutablePointer<sb_question>, _ key: Continuation<T>.Key
  ) -> Continuation<T>? {
    guard let state = place.pointee.state else { return nil }
    place.pointee.state = nil
    let call = Unmanaged<Continuation<T>>.fromOpaque(UnsafeRawPointer(state)).takeRetainedValue()
    return call.belongs(to: self) && call.key == key ? call : nil
  }
}
