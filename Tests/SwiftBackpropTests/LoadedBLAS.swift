import CBridge
import Glibc

/// The BLAS of the tests: `SWIFTBACKPROP_BLAS` (a path, or `system`), else the system's. The
/// engine never opens a library itself; who uses it resolves the functions.
enum LoadedBLAS {
  /// Installs the table once; nil, or why it could not be done.
  static let failure: String? = load()

  private static func load() -> String? {
    let given = getenv("SWIFTBACKPROP_BLAS").map { String(cString: $0) } ?? "system"
    let names = given == "system" ? ["libopenblas.so.0", "libblas.so.3"] : [given]
    for name in names {
      guard let library = dlopen(name, RTLD_NOW) else { continue }
      for prefix in ["", "scipy_"] {
        guard let sgemm = dlsym(library, prefix + "cblas_sgemm"),
          let dgemm = dlsym(library, prefix + "cblas_dgemm")
        else { continue }
        var table = sb_blas()
        table.sgemm = unsafeBitCast(sgemm, to: type(of: table.sgemm))
        table.dgemm = unsafeBitCast(dgemm, to: type(of: table.dgemm))
        var error = sb_error()
        guard sb_set_blas(&table, &error) == SB_OK else { return text(error) }
        return nil
      }
      return "\(name) has no cblas_sgemm"
    }
    return "no BLAS: set SWIFTBACKPROP_BLAS to the path of a CBLAS library"
  }
}

/// The message of an error.
func text(_ error: sb_error) -> String {
  withUnsafeBytes(of: error.message) { bytes in
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}
