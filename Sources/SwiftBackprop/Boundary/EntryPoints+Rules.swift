// swift-format-ignore-file: AlwaysUseLowerCamelCase

// (the names are those of the C contract)
import CBridge

// Rules: what there are, and single ones applied to arrays.

@_cdecl("sb_rule_count")
public func sb_rule_count(_ kind: Int32) -> Int64 { Int64(Rules.list(kind)?.count ?? 0) }

@_cdecl("sb_rule_at")
public func sb_rule_at(
  _ kind: Int32, _ index: Int64, _ info: UnsafeMutablePointer<sb_rule_info>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let list = Rules.list(kind), index >= 0, index < list.count, let info else {
      throw .value("there is no such rule")
    }
    info.pointee = list[Int(index)].described
  }
}

@_cdecl("sb_apply_activation")
public func sb_apply_activation(
  _ rule: UnsafePointer<sb_rule>?, _ order: Int32, _ dtype: Int32, _ x: UnsafeRawPointer?,
  _ out: UnsafeMutableRawPointer?, _ rows: Int64, _ cols: Int64,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let rule, let x, let out, rows >= 0, cols >= 0,
      !rows.multipliedReportingOverflow(by: cols).overflow
    else { throw .value("the rule or an array is missing, or its size is none") }
    try Rules.apply(
      activation: rule.pointee, order: order, dtype: dtype, x, out, Int(rows), Int(cols))
  }
}

@_cdecl("sb_apply_loss")
public func sb_apply_loss(
  _ rule: UnsafePointer<sb_rule>?, _ order: Int32, _ dtype: Int32, _ a: UnsafeRawPointer?,
  _ t: UnsafeRawPointer?, _ out: UnsafeMutableRawPointer?, _ count: Int64,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let rule, let a, let t, let out, count >= 0 else {
      throw .value("the rule or an array is missing")
    }
    try Rules.apply(loss: rule.pointee, order: order, dtype: dtype, a, t, out, Int(count))
  }
}
