// A page of rows as the two dialects answer it (service-rest.md 5.9, 12).
#pragma once

#include <string>
#include <string_view>

#include "services/rest_gateway/exchange.h"

namespace fleetcast::rest_gateway {

// Values of x-ms-item-type; the .NET SDK compares letter by letter.
inline constexpr std::string_view kDeviceJobRows = "DeviceJob";
inline constexpr std::string_view kJobRows = "JobResponse";
inline constexpr std::string_view kRawRows = "Raw";
inline constexpr std::string_view kTwinRows = "Twin";

// The array of `rows`, a range of JSON texts; copied once, for a page of twins has some 300 kB.
template <typename Rows>
std::string JsonArray(const Rows& rows) {
  size_t bytes = 2;
  for (const std::string& row : rows) bytes += row.size() + 1;
  std::string array;
  array.reserve(bytes);
  array.push_back('[');
  for (const std::string& row : rows) {
    if (array.size() > 1) array.push_back(',');
    array.append(row);
  }
  array.push_back(']');
  return array;
}

// Answers the rows in `array`. GA: that, the token in a header that is absent on the last page (Node tests only for its
// presence). DT: an object with the token, null at the end.
void AnswerPage(Exchange& exchange, std::string array, std::string_view next_token, std::string_view item_type);

}  // namespace fleetcast::rest_gateway
