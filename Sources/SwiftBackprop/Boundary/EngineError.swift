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
      for byte in message.text.utf8 {
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
/// that is put together in place is more code than the function that throws it.
struct Message: ExpressibleByStringInterpolation, Sendable {
  fileprivate(set) var text: String

  @inline(never)
  init(stringLiteral literal: StaticString) { text = "\(literal)" }

  @inline(never)
  init(stringInterpolation interpolation: StringInterpolation) { text = interpolation.text }

  @inline(never)
  static func + (a: Message, b: Message) -> Message {
    var sum = a
    sum.text += b.text
    return sum
  }

  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text: String

    @inline(never)
    init(literalCapacity: Int, interpolationCount: Int) { text = "" }

    @inline(never)
    mutating func appendLiteral(_ literal: StaticString) { text += "\(literal)" }

    @inline(never)
    mutating func appendInterpolation(_ number: Int) { text += "\(number)" }

    mutating func appendInterpolation(_ number: Int32) { appendInterpolation(Int(number)) }

    mutating func appendInterpolation(_ literal: StaticString) { appendLiteral(literal) }

    @inline(never)
    mutating func appendInterpolation(_ string: String) { text += string }

    @inline(never)
    mutating func appendInterpolation(_ message: Message) { text += message.text }
  }
}

/// About six digits of a number, for a message; Embedded Swift prints no floating point.
@inline(never)
func decimal(_ x: Double) -> String {
  guard x.magnitude < 1e12 else { return x < 0 ? "a number below -1e12" : "a number above 1e12" }
  let millionths = Int((x.magnitude * 1e6).rounded())
  var fraction = millionths % 1_000_000
  var text = "\(x < 0 ? "-" : "")\(millionths / 1_000_000)"
  guard fraction > 0 else { return fraction == 0 && x != 0 && millionths == 0 ? "about 0" : text }
  text += "."
  var digit = 100_000
  while fraction > 0 {
    text += "\(fraction / digit)"
    fraction %= digit
    digit /= 10
  }
  return text
}
