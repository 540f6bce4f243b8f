import CBridge

/// The table of BLAS functions: installed once for the process, tried before it is used.
enum BLAS {
  static var isInstalled: Bool { sb_blas_is_installed() != 0 }

  static func require() throws(EngineError) {
    guard isInstalled else {
      throw EngineError(
        status: SB_ERROR_BLAS,
        message: "no BLAS library is loaded: install OpenBLAS (on Debian: apt install "
          + "libopenblas-dev) or set SWIFTBACKPROP_BLAS to the path of a CBLAS library")
    }
  }

  /// Takes the table over if its products give the right answer.
  static func install(_ table: sb_blas) throws(EngineError) {
    guard !isInstalled else {
      throw EngineError(status: SB_ERROR_BLAS, message: "a BLAS table is installed already")
    }
    guard let sgemm = table.sgemm, let dgemm = table.dgemm else {
      throw EngineError(
        status: SB_ERROR_BLAS, message: "the BLAS table lacks cblas_sgemm or cblas_dgemm")
    }
    // A [2, 3] · B [3, 2], both transposed and not, with the answer worked out by hand.
    let a: [Float] = [1, 2, 3, 4, 5, 6]
    let b: [Float] = [7, 8, 9, 10, 11, 12]
    var c: [Float] = [1, 1, 1, 1]
    sgemm(101, 111, 111, 2, 2, 3, 1, a, 3, b, 2, 1, &c, 2)
    guard c[0] == 59, c[1] == 65, c[2] == 140, c[3] == 155 else { throw wrong("sgemm") }
    let u = a.map { Double($0) }
    let v = b.map { Double($0) }
    var w: [Double] = [0, 0, 0, 0]
    dgemm(101, 112, 112, 2, 2, 3, 2, u, 2, v, 3, 0, &w, 2)
    guard w[0] == 152, w[1] == 206, w[2] == 200, w[3] == 272 else { throw wrong("dgemm") }
    sb_install_blas(table)
  }

  private static func wrong(_ name: StaticString) -> EngineError {
    EngineError(
      status: SB_ERROR_BLAS,
      message: "cblas_\(name) of this library gave a wrong product; "
        + "the engine needs a CBLAS with 32-bit integers")
  }
}
