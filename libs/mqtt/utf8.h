// The text rules of MQTT strings.
#pragma once

#include <string_view>

namespace fleetcast::mqtt {

// True if `text` may be a string of an MQTT packet: well-formed UTF-8 without surrogates and overlong forms
// (MQTT-1.4.0-1), without U+0000 (MQTT-1.4.0-2) and without control characters and non-characters (MQTT 1.5.3 lets a
// receiver refuse them; we do in every string, since all of them are names). A byte order mark is an ordinary
// character (MQTT-1.4.0-3).
bool IsMqttText(std::string_view text);

}  // namespace fleetcast::mqtt
