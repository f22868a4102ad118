// Device and module identities between the wire (service-rest.md 11) and registry.v1. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "fleetcast/registry/v1/device.pb.h"
#include "fleetcast/registry/v1/module.pb.h"
#include "libs/json/json.h"

namespace fleetcast::rest_gateway {

// Most identities of one bulk request.
inline constexpr size_t kBulkDevicesMax = 100;

// The identity in `body`, to be stored as `id`. ARGUMENT_INVALID when the body names another device or has unknown
// words, WRONG_TYPE. Keys, thumbprints and grammars are the registry's to check.
absl::StatusOr<registry::v1::Device> ParseDevice(std::string_view id, const json::Value& body);

// The module identity in `body`, as ParseDevice.
absl::StatusOr<registry::v1::Module> ParseModule(std::string_view device_id, std::string_view id,
                                                 const json::Value& body);

// An identity as section 11.1 prints it, with those keys that it has.
std::string PrintDevice(const registry::v1::Device& device);

// The same of a module (11.4).
std::string PrintModule(const registry::v1::Module& module);

// One element of a bulk request: what to do, or why not.
struct BulkElement {
  std::string device_id;
  std::string module_id;  // Empty = the device itself, as below.
  absl::StatusOr<registry::v1::DeviceChange> change;
};

// The elements of a bulk request. WRONG_TYPE unless `body` is an array, ARGUMENT_NULL when it is empty,
// TOO_MANY_DEVICES beyond kBulkDevicesMax. An identity that occurs twice is refused at each place
// (DEVICE_DEFINED_TWICE).
absl::StatusOr<std::vector<BulkElement>> ParseBulk(const json::Value& body);

// What went wrong with one device of a bulk request.
struct BulkError {
  std::string device_id;
  std::string module_id;
  std::string reason;
  std::string message;
};

// The result of a bulk request: {"isSuccessful":…,"errors":[…],"warnings":[]}.
std::string PrintBulkResult(const std::vector<BulkError>& errors);

}  // namespace fleetcast::rest_gateway
