// The text rules of MQTT strings.
#pragma once

#include <string_view>

namespace fleetcast::mqtt {

// True if `text` may be a string of an MQTT packet: well-formed UTF-8 without surrogates and overlong forms
// (MQTT-1.4.0-1), without U+0000 (MQTT-1.4.0-2) and without control characters and non-characters (MQTT 1.5.3 lets a
// receiver refuse them; we do in every string, since all of them are names). A byte order mark is an ordinary
// character (MQTT-1.4.0-3).
bool IsMqttText(std::string_view text);

// True if `text` may be a string of a packet that is no name, such as the value of a user property: the same without
// the rule about control characters and non-characters.
bool IsMqttString(std::string_view text);

// True if `bytes` are well-formed UTF-8 (a payload that says so), U+0000 included.
bool IsUtf8(std::string_view bytes);

}  // namespace fleetcast::mqtt
