import CBridge

/// What went wrong, with a sentence for a person; becomes a status at the door.
struct EngineError: Error {
  let status: sb_status
  let message: String

  static func shape(_ message: String) -> EngineError {
    EngineError(status: SB_ERROR_SHAPE, message: message)
  }
  static func value(_ message: String) -> EngineError {
    EngineError(status: SB_ERROR_VALUE, message: message)
  }
  static func type(_ message: String) -> EngineError {
    EngineError(status: SB_ERROR_TYPE, message: message)
  }
  static func order(_ message: String) -> EngineError {
    EngineError(status: SB_ERROR_ORDER, message: message)
  }
  static func diverged(_ message: String) -> EngineError {
    EngineError(status: SB_ERROR_DIVERGED, message: message)
  }
  static func copy(_ message: String) -> EngineError {
    EngineError(status: SB_ERROR_COPY, message: message)
  }
  static var noOption: EngineError { .value("no such option") }
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

/// About six digits of a number, for a message; Embedded Swift prints no floating point.
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
