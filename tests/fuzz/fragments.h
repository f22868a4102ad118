// The three ways in which the fuzz targets of byte streams cut their input: whole, byte by byte, and in pieces whose
// lengths follow from the input itself. Of a long stream the beginning comes in large pieces, so that it ends.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fleetcast::fuzz {

enum class Cut : uint8_t { kWhole, kBytes, kPieces };
inline constexpr std::array<Cut, 3> kCuts = {Cut::kWhole, Cut::kBytes, Cut::kPieces};

// The length of the first piece of `rest`, which is not empty.
inline size_t PieceLength(Cut cut, std::string_view rest) {
  if (cut == Cut::kWhole) return rest.size();
  if (rest.size() > 4096) return rest.size() / 2;
  if (cut == Cut::kBytes) return 1;
  const size_t wanted = 1 + (static_cast<uint8_t>(rest[0]) ^ static_cast<uint8_t>(rest[rest.size() / 2])) % 61;
  return std::min(wanted, rest.size());
}

}  // namespace fleetcast::fuzz
