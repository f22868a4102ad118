// Which api-versions are served, and in which dialect (service-rest.md 2).
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/http/message.h"

namespace fleetcast::rest_gateway {

enum class Dialect {
  kGa,  // 2016-11-14 and later, and the registry calls of earlier versions.
  kDt,  // 2016-09-30-preview: deviceIds, timeoutInSeconds, paging in bodies, wrapped results.
};

// The versions that are served unless configured otherwise: those that known clients send.
std::vector<std::string> DefaultApiVersions();

// Immutable, thread-safe.
class ApiVersions {
 public:
  explicit ApiVersions(const std::vector<std::string>& versions) : versions_(versions.begin(), versions.end()) {}

  // The dialect that `request` asks for. INVALID_ARGUMENT (INVALID_API_VERSION) when it names no version, two, or one
  // that is not served.
  absl::StatusOr<Dialect> DialectOf(const http::Request& request) const;

 private:
  std::set<std::string, std::less<>> versions_;
};

}  // namespace fleetcast::rest_gateway
