import CBridge

/// What went wrong, with a sentence for a person; becomes a status at the door.
struct EngineError: Error {
  let status: sb_status
  let message: Message

  @inline(never)
  static func shape(_ message: Message) -> EngineError {
    EngineError(status: SB_ERROR_SHAPE, message: message)
  }
  @inline(never)
  static func value(_ message: Message) -> EngineError {
    EngineError(status: SB_ERROR_VALUE, message: message)
  }
  @inline(never)
  static func type(_ message: Message) -> EngineError {
    EngineError(status: SB_ERROR_TYPE, message: message)
  }
  @inline(never)
  static func order(_ message: Message) -> EngineError {
    EngineError(status: SB_ERROR_ORDER, message: message)
  }
  @inline(never)
  static func diverged(_ message: Message) -> EngineError {
    EngineError(status: SB_ERROR_DIVERGED, message: message)
  }
  @inline(never)
  static func copy(_ message: Message) -> EngineError {
    EngineError(status: SB_ERROR_COPY, message: message)
  }
  static var noOption: EngineError { .value("no such option") }
  static var infiniteStep: EngineError {
    .diverged(
      "the step would make a weight or the optimizer's state infinite; it was not made; "
        + "a smaller learning rate may help")
  }
  @inline(never)
  static func memory(bytes: Int) -> EngineError {
    let megabytes = bytes >> 20
    return EngineError(
      status: SB_ERROR_MEMORY,
      message: "not enough memory: \(megabytes) MB more are needed; "
        + "use fewer rows at once or a smaller network")
  }

  /// Writes status and message into the caller's struct, cut to its size.
  func write(to error: UnsafeMutablePointer<sb_error>?) {
    guard let error else { return }
    error.pointee.status = status
    let capacity = Int(SB_MESSAGE_SIZE)
    withUnsafeMutableBytes(of: &error.pointee.message) { buffer in
      var length = 0
      for byte in message.utf8 {
        if length == capacity - 1 { break }
        buffer[length] = byte
        length += 1
      }
      // A cut must not leave half a character.
      if length == capacity - 1 {
        while length > 0, buffer[length - 1] & 0xC0 == 0x80 { length -= 1 }
        if length > 0, buffer[length - 1] & 0x80 != 0 { length -= 1 }
      }
      buffer[length] = 0
    }
  }
}

/// The text of an error, which is written like a String. None of its making is inlined: a sentence
/// that is put together in place is more code than the function that throws it. And it is no
/// String, whose Unicode would be compiled into the engine.
struct Message: ExpressibleByStringInterpolation, Sendable {
  fileprivate(set) var utf8: [UInt8] = []

  @inline(never)
  init(stringLiteral literal: StaticString) { append(literal.utf8Start, literal.utf8CodeUnitCount) }

  @inline(never)
  init(stringInterpolation interpolation: StringInterpolation) { self = interpolation.message }

  @inline(never)
  static func + (a: Message, b: Message) -> Message {
    var sum = a
    sum.append(b)
    return sum
  }

  @inline(never)
  fileprivate mutating func append(_ start: UnsafePointer<UInt8>, _ count: Int) {
    for i in 0..<count { utf8.append(start[i]) }
  }

  @inline(never)
  fileprivate mutating func append(_ other: Message) {
    for byte in other.utf8 { utf8.append(byte) }
  }

  /// Decimal digits, no fewer than `width`.
  @inline(never)
  fileprivate mutating func append(_ number: UInt, width: Int = 1) {
    if number > 9 || width > 1 { append(number / 10, width: width - 1) }
    utf8.append(UInt8(truncatingIfNeeded: number % 10) + 48)
  }

  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var message: Message

    @inline(never)
    init(literalCapacity: Int, interpolationCount: Int) { message = "" }

    @inline(never)
    mutating func appendLiteral(_ literal: StaticString) {
      message.append(literal.utf8Start, literal.utf8CodeUnitCount)
    }

    @inline(never)
    mutating func appendInterpolation(_ number: Int) {
      if number < 0 { appendLiteral("-") }
      message.append(number.magnitude)
    }

    mutating func appendInterpolation(_ number: Int32) { appendInterpolation(Int(number)) }

    mutating func appendInterpolation(_ literal: StaticString) { appendLiteral(literal) }

    /// A text of C. With a label, or a String in an interpolation would come in as such a pointer.
    @inline(never)
    mutating func appendInterpolation(cString text: UnsafePointer<CChar>) {
      let bytes = UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self)
      message.append(bytes, strlen(text))
    }

    @inline(never)
    mutating func appendInterpolation(_ other: Message) { message.append(other) }
  }
}

/// About six digits of a number, for a message; Embedded Swift prints no floating point.
@inline(never)
func decimal(_ x: Double) -> Message {
  guard x.magnitude < 1e12 else { return x < 0 ? "a number below -1e12" : "a number above 1e12" }
  let millionths = UInt((x.magnitude * 1e6).rounded())
  if x != 0 && millionths == 0 { return "about 0" }
  var text: Message = x < 0 ? "-" : ""
  text.append(millionths / 1_000_000)
  guard millionths % 1_000_000 > 0 else { return text }
  text = text + "."
  text.append(millionths % 1_000_000, width: 6)
  while text.utf8.last == 48 { text.utf8.removeLast() }
  return text
}
