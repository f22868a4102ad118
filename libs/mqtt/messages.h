// PUBLISH packets of the vocabulary, appended to a byte buffer with their topic built in place: one pass, nothing
// allocated besides the buffer. The counterpart of topics.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/mqtt/properties.h"

namespace fleetcast::mqtt {

// Hub to device: always QoS 0, RETAIN 0, DUP 0 (device-mqtt.md 4.3). With `properties` in the form of MQTT 5, also when
// they are empty; without, of 3.1.1.

// $iothub/methods/POST/{method}/?$rid={call id}. `payload` is JSON text and not empty: an SDK answers 400 by itself
// when there is none.
void AppendMethodRequest(std::string_view method, uint64_t call_id, std::string_view payload, std::string* out,
                         const PublishProperties* properties = nullptr);

// $iothub/twin/res/{status}/?$rid={request id}[&$version={version}]. The request id is echoed byte for byte.
void AppendTwinResponse(int status, std::string_view request_id, std::optional<int64_t> version,
                        std::string_view document, std::string* out, const PublishProperties* properties = nullptr);

// $iothub/twin/PATCH/properties/desired/?$version={version}
void AppendDesiredChange(int64_t version, std::string_view patch, std::string* out,
                         const PublishProperties* properties = nullptr);

// Device to hub. QoS 1 when a packet id is given, else QoS 0.

// $iothub/methods/res/{status}/?$rid={request id}
void AppendMethodResponse(int status, std::string_view request_id, std::string_view payload,
                          std::optional<uint16_t> packet_id, std::string* out);

// $iothub/twin/GET/?$rid={request id}
void AppendTwinRead(std::string_view request_id, std::optional<uint16_t> packet_id, std::string* out);

// $iothub/twin/PATCH/properties/reported/?$rid={request id}
void AppendReportedPatch(std::string_view request_id, std::string_view patch, std::optional<uint16_t> packet_id,
                         std::string* out);

}  // namespace fleetcast::mqtt
