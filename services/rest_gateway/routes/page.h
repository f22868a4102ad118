// A page of rows as the two dialects answer it (service-rest.md 5.9, 12).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/rest_gateway/exchange.h"

namespace fleetcast::rest_gateway {

// Values of x-ms-item-type; the .NET SDK compares letter by letter.
inline constexpr std::string_view kDeviceJobRows = "DeviceJob";
inline constexpr std::string_view kJobRows = "JobResponse";
inline constexpr std::string_view kRawRows = "Raw";
inline constexpr std::string_view kTwinRows = "Twin";

// Answers `rows`, one JSON text each. GA: an array, the token in a header that is absent on the last page (Node tests
// only for its presence). DT: an object with the token, null at the end.
void AnswerPage(Exchange& exchange, const std::vector<std::string>& rows, std::string_view next_token,
                std::string_view item_type);

}  // namespace fleetcast::rest_gateway
