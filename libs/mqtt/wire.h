// Writes the fields of packets. Internal to this library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fleetcast::mqtt {

inline size_t TextSize(std::string_view text) { return 2 + text.size(); }

inline size_t VariableIntegerSize(size_t value) {
  return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

inline void AppendByte(uint8_t value, std::string* out) { out->push_back(static_cast<char>(value)); }

inline void AppendWord(size_t value, std::string* out) {
  AppendByte(static_cast<uint8_t>(value >> 8), out);
  AppendByte(static_cast<uint8_t>(value & 0xff), out);
}

inline void AppendDoubleWord(uint32_t value, std::string* out) {
  AppendWord(value >> 16, out);
  AppendWord(value & 0xffff, out);
}

inline void AppendVariableInteger(size_t value, std::string* out) {
  do {
    const auto low = static_cast<uint8_t>(value & 0x7f);
    value >>= 7;
    AppendByte(value > 0 ? static_cast<uint8_t>(low | 0x80) : low, out);
  } while (value > 0);
}

inline void AppendText(std::string_view text, std::string* out) {
  AppendWord(text.size(), out);
  out->append(text);
}

}  // namespace fleetcast::mqtt
