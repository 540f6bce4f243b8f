// The eight tiles of AMX and what sb_bf16 does with them, in C, after the pseudocode of Intel's
// "Architecture Instruction Set Extensions Programming Reference" (TDPBF16PS): for processors
// that have none. Rows of 64 bytes, 16 of them.
#ifndef TILES_H
#define TILES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_shapes;

static _Thread_local unsigned char tiles_in_c[8][16][64];
static _Thread_local int are_tiles_configured;

// What the unit would refuse ends the program.
static inline void expect_tiles(int condition) {
  if (!condition) abort();
}

static inline void load_tile_shapes(const void *memory) {
  const tile_shapes *shapes = memory;
  expect_tiles(shapes->palette == 1 && shapes->start_row == 0);
  for (int tile = 0; tile < 8; tile++) {
    expect_tiles(shapes->row_bytes[tile] == 64 && shapes->rows[tile] == 16);
  }
  for (int i = 0; i < 14; i++) expect_tiles(shapes->reserved[i] == 0);
  for (int i = 8; i < 16; i++) expect_tiles(shapes->row_bytes[i] == 0 && shapes->rows[i] == 0);
  memset(tiles_in_c, 0, sizeof tiles_in_c);
  are_tiles_configured = 1;
}

static inline void load_tile(int tile, const void *from, long stride) {
  expect_tiles(are_tiles_configured);
  for (int i = 0; i < 16; i++) memcpy(tiles_in_c[tile][i], (const char *)from + i * stride, 64);
}

static inline void store_tile(int tile, void *to, long stride) {
  expect_tiles(are_tiles_configured);
  for (int i = 0; i < 16; i++) memcpy((char *)to + i * stride, tiles_in_c[tile][i], 64);
}

static inline float number_of_tile(int tile, int row, int place) {
  uint16_t half;
  memcpy(&half, &tiles_in_c[tile][row][2 * place], sizeof half);
  const uint32_t bits = (half & 0x7f80) == 0 ? 0 : (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline void multiply_tiles(int sum, int a, int b) {
  expect_tiles(are_tiles_configured);
  for (int i = 0; i < 16; i++) {
    for (int j = 0; j < 16; j++) {
      float even = 0, odd = 0, total;
      for (int k = 0; k < 16; k++) {
        even += number_of_tile(a, i, 2 * k) * number_of_tile(b, k, 2 * j);
        odd += number_of_tile(a, i, 2 * k + 1) * number_of_tile(b, k, 2 * j + 1);
      }
      memcpy(&total, &tiles_in_c[sum][i][4 * j], sizeof total);
      total += even + odd;
      memcpy(&tiles_in_c[sum][i][4 * j], &total, sizeof total);
    }
  }
}

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig(shapes) load_tile_shapes(shapes)
#define _tile_release() (are_tiles_configured = 0)
#define _tile_zero(tile) memset(tiles_in_c[tile], 0, sizeof tiles_in_c[tile])
#define _tile_loadd(tile, from, stride) load_tile(tile, from, stride)
#define _tile_stored(tile, to, stride) store_tile(tile, to, stride)
#define _tile_dpbf16ps(sum, a, b) multiply_tiles(sum, a, b)

#endif
