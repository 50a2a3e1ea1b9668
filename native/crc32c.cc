// CRC-32C (Castagnoli) for the log's checksums: the processor's own instruction where there is one (SSE 4.2), else slicing by eight.
// The reference is src/core/crc32c.ts; test/unit/crc32c.test.ts holds them against each other.
#include "addon.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;

constexpr std::array<std::array<uint32_t, 256>, 8> MakeTables() {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc & 1) ? (crc >> 1) ^ kPolynomial : crc >> 1;
    tables[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; byte++) {
    for (size_t k = 1; k < 8; k++) tables[k][byte] = (tables[k - 1][byte] >> 8) ^ tables[0][tables[k - 1][byte] & 0xff];
  }
  return tables;
}
constexpr auto kTables = MakeTables();

uint32_t Portable(uint32_t crc, const uint8_t* data, size_t length) {
  for (; length >= 8; data += 8, length -= 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    word ^= crc;
    crc = kTables[7][word & 0xff] ^ kTables[6][(word >> 8) & 0xff] ^ kTables[5][(word >> 16) & 0xff] ^
          kTables[4][(word >> 24) & 0xff] ^ kTables[3][(word >> 32) & 0xff] ^ kTables[2][(word >> 40) & 0xff] ^
          kTables[1][(word >> 48) & 0xff] ^ kTables[0][word >> 56];
  }
  for (; length > 0; data++, length--) crc = (crc >> 8) ^ kTables[0][(crc ^ *data) & 0xff];
  return crc;
}

#if defined(__x86_64__)
// The instruction answers after three cycles and can be asked in each: so three lanes of bytes are taken at once, and put together by
// what so many zeros behind a lane do to its checksum.
//
//   | lane 0 | lane 1 | lane 2 |      crc = ((a · zeros) ^ b) · zeros ^ c
constexpr size_t kLane = 1344;

/** A linear map of 32 bits: what it makes of each. */
using Map = std::array<uint32_t, 32>;

constexpr uint32_t Apply(const Map& map, uint32_t bits) {
  uint32_t result = 0;
  for (int at = 0; bits != 0; bits >>= 1, at++)
    if (bits & 1) result ^= map[at];
  return result;
}

constexpr Map After(const Map& second, const Map& first) {
  Map both{};
  for (int at = 0; at < 32; at++) both[at] = Apply(second, first[at]);
  return both;
}

/** What so many bytes of zeros do, by the bytes of the checksum before them. */
constexpr std::array<std::array<uint32_t, 256>, 4> MakeZeros(size_t bytes) {
  Map step{kPolynomial};
  Map all{};
  for (int at = 0; at < 32; at++) {
    if (at > 0) step[at] = uint32_t{1} << (at - 1);
    all[at] = uint32_t{1} << at;
  }
  for (size_t bits = bytes * 8; bits != 0; bits >>= 1, step = After(step, step))
    if (bits & 1) all = After(step, all);
  std::array<std::array<uint32_t, 256>, 4> tables{};
  for (int k = 0; k < 4; k++)
    for (uint32_t byte = 0; byte < 256; byte++) tables[k][byte] = Apply(all, byte << (8 * k));
  return tables;
}
constexpr auto kZeros = MakeZeros(kLane);

uint32_t BehindLane(uint64_t crc) {
  return kZeros[0][crc & 0xff] ^ kZeros[1][(crc >> 8) & 0xff] ^ kZeros[2][(crc >> 16) & 0xff] ^ kZeros[3][(crc >> 24) & 0xff];
}

uint64_t Word(const uint8_t* data) {
  uint64_t word;
  std::memcpy(&word, data, 8);
  return word;
}

__attribute__((target("sse4.2"))) uint32_t Hardware(uint32_t crc, const uint8_t* data, size_t length) {
  for (; length >= 3 * kLane; data += 3 * kLane, length -= 3 * kLane) {
    uint64_t a = crc, b = 0, c = 0;
    for (size_t at = 0; at < kLane; at += 8) {
      a = _mm_crc32_u64(a, Word(data + at));
      b = _mm_crc32_u64(b, Word(data + kLane + at));
      c = _mm_crc32_u64(c, Word(data + 2 * kLane + at));
    }
    crc = BehindLane(BehindLane(a) ^ b) ^ static_cast<uint32_t>(c);
  }
  uint64_t wide = crc;
  for (; length >= 8; data += 8, length -= 8) wide = _mm_crc32_u64(wide, Word(data));
  crc = static_cast<uint32_t>(wide);
  for (; length > 0; data++, length--) crc = _mm_crc32_u8(crc, *data);
  return crc;
}
#endif

uint32_t Crc32c(uint32_t seed, const uint8_t* data, size_t length) {
#if defined(__x86_64__)
  static const bool hardware = __builtin_cpu_supports("sse4.2");
  if (hardware) return ~Hardware(~seed, data, length);
#endif
  return ~Portable(~seed, data, length);
}

// crc32c(bytes: Uint8Array, seed: number): number
napi_value Call(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  bool is_typed_array = false;
  if (count > 0) napi_is_typedarray(env, arguments[0], &is_typed_array);
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  if (is_typed_array) napi_get_typedarray_info(env, arguments[0], &type, &length, &data, nullptr, nullptr);
  uint32_t seed = 0;
  if (type != napi_uint8_array || count < 2 || napi_get_value_uint32(env, arguments[1], &seed) != napi_ok) {
    napi_throw_type_error(env, nullptr, "crc32c(bytes: Uint8Array, seed: number)");
    return nullptr;
  }
  napi_value result;
  napi_create_uint32(env, Crc32c(seed, static_cast<const uint8_t*>(data), length), &result);
  return result;
}

}  // namespace

void AddCrc32c(napi_env env, napi_value exports) { AddFunction(env, exports, "crc32c", Call); }
