// Percent-encoding in topics and user names: only %XX means something; '+' is a plus sign (device-mqtt.md 4.8).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fleetcast::mqtt {

// Appends `text` to `out`, everything but A-Z a-z 0-9 - . _ ~ as %XX with upper-case digits.
void PercentEncode(std::string_view text, std::string* out);

// How many bytes PercentEncode appends.
size_t PercentEncodedSize(std::string_view text);

// The bytes that `text` stands for; nothing when a % is not followed by two hex digits.
std::optional<std::string> PercentDecode(std::string_view text);

// True if every % of `text` is followed by two hex digits.
bool IsPercentEncoded(std::string_view text);

}  // namespace fleetcast::mqtt
