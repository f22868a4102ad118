#include "services/rest_gateway/routes/device_wire.h"

#include <iterator>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/model/registry_words.h"
#include "services/rest_gateway/azure_errors.h"
#include "services/rest_gateway/proto_time.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {
namespace {

using registry::v1::Device;
using registry::v1::DeviceChange;
using registry::v1::Module;

// The words are listed by number.
static_assert(std::size(kAuthenticationTypeWords) == Device::AuthenticationType_ARRAYSIZE);
static_assert(std::size(kStatusWords) == Device::Status_ARRAYSIZE);
static_assert(std::size(kImportModeWords) == DeviceChange::Kind_ARRAYSIZE);

// The value of the word that member `name` holds, in any case; `absent` when there is none.
template <typename Enum>
absl::StatusOr<Enum> WordMember(const json::Value* object, std::string_view name, RegistryWords words, Enum absent) {
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<std::string> text, TextMember(object, name));
  if (!text) return absent;
  if (const int number = NumberOfWord(words, *text); number != 0) return static_cast<Enum>(number);
  return BadRequest(kArgumentInvalid, absl::StrCat("the member ", Absl(name), " has a value that is not known"));
}

std::string NameOf(const BulkElement& element) { return absl::StrCat(element.device_id, "/", element.module_id); }

// Copies text member `name` of `object` to `to`; absent = empty.
absl::Status CopyText(const json::Value* object, std::string_view name, std::string* to) {
  FLEETCAST_ASSIGN_OR_RETURN(std::optional<std::string> text, TextMember(object, name));
  *to = std::move(text).value_or("");
  return absl::OkStatus();
}

// `Message`: Device or Module, which name credentials alike.
template <typename Message>
absl::Status ParseAuthentication(const json::Value& body, Message& device) {
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value* authentication, ObjectMember(&body, "authentication"));
  FLEETCAST_ASSIGN_OR_RETURN(
      const Device::AuthenticationType type,
      WordMember(authentication, "type", kAuthenticationTypeWords, Device::AUTHENTICATION_TYPE_UNSPECIFIED));
  device.set_authentication_type(type);
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value* keys, ObjectMember(authentication, "symmetricKey"));
  FLEETCAST_RETURN_IF_ERROR(CopyText(keys, "primaryKey", device.mutable_primary_key()));
  FLEETCAST_RETURN_IF_ERROR(CopyText(keys, "secondaryKey", device.mutable_secondary_key()));
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value* thumbprints, ObjectMember(authentication, "x509Thumbprint"));
  FLEETCAST_RETURN_IF_ERROR(CopyText(thumbprints, "primaryThumbprint", device.mutable_primary_thumbprint()));
  return CopyText(thumbprints, "secondaryThumbprint", device.mutable_secondary_thumbprint());
}

// deviceScope, and the only parent that a gateway may have.
absl::Status ParseScopes(const json::Value& body, Device& device) {
  FLEETCAST_RETURN_IF_ERROR(CopyText(&body, "deviceScope", device.mutable_device_scope()));
  const json::Value* parents = FindMember(&body, "parentScopes");
  if (parents == nullptr) return absl::OkStatus();
  if (!parents->is_array()) return BadRequest(kWrongType, "the member parentScopes is no array");
  if (parents->array().empty()) return absl::OkStatus();
  if (parents->array().size() > 1 || !parents->array()[0].is_string()) {
    return BadRequest(kArgumentInvalid, "the member parentScopes may hold one string");
  }
  device.set_parent_scope(parents->array()[0].AsString());
  return absl::OkStatus();
}

absl::Status ParseSettings(const json::Value& body, Device& device) {
  FLEETCAST_ASSIGN_OR_RETURN(const Device::Status status,
                             WordMember(&body, "status", kStatusWords, Device::STATUS_UNSPECIFIED));
  device.set_status(status);
  FLEETCAST_RETURN_IF_ERROR(CopyText(&body, "statusReason", device.mutable_status_reason()));
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value* capabilities, ObjectMember(&body, "capabilities"));
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<bool> iot_edge, BoolMember(capabilities, "iotEdge"));
  device.set_iot_edge(iot_edge.value_or(false));
  FLEETCAST_RETURN_IF_ERROR(ParseScopes(body, device));
  return ParseAuthentication(body, device);
}

std::string SectionText(const json::Value* section) { return section == nullptr ? "" : json::Print(*section); }

absl::StatusOr<DeviceChange> ParseChange(const json::Value& element, std::string_view id, std::string_view module_id) {
  DeviceChange change;
  change.set_module_id(std::string(module_id));
  FLEETCAST_RETURN_IF_ERROR(CopyText(&element, "managedBy", change.mutable_managed_by()));
  FLEETCAST_ASSIGN_OR_RETURN(const DeviceChange::Kind kind,
                             WordMember(&element, "importMode", kImportModeWords, DeviceChange::KIND_CREATE));
  change.set_kind(kind);
  change.mutable_device()->set_id(std::string(id));
  FLEETCAST_RETURN_IF_ERROR(ParseSettings(element, *change.mutable_device()));
  FLEETCAST_RETURN_IF_ERROR(CopyText(&element, "eTag", change.mutable_device()->mutable_etag()));
  FLEETCAST_RETURN_IF_ERROR(CopyText(&element, "twinETag", change.mutable_twin_etag()));
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value* tags, ObjectMember(&element, "tags"));
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value* properties, ObjectMember(&element, "properties"));
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value* desired, ObjectMember(properties, "desired"));
  change.set_tags(SectionText(tags));
  change.set_desired(SectionText(desired));
  return change;
}

BulkElement ParseElement(const json::Value& element) {
  if (!element.is_object()) return {"", "", BadRequest(kWrongType, "an element is no object")};
  const absl::StatusOr<std::optional<std::string>> id = TextMember(&element, "id");
  if (!id.ok()) return {"", "", id.status()};
  if (!*id) return {"", "", BadRequest(kArgumentNull, "the member id is missing")};
  const absl::StatusOr<std::optional<std::string>> module_id = TextMember(&element, "moduleId");
  if (!module_id.ok()) return {**id, "", module_id.status()};
  const std::string module = module_id->value_or("");
  return {**id, module, ParseChange(element, **id, module)};
}

// `text`, or null when it is empty.
std::string OrNull(const std::string& text) { return text.empty() ? "null" : json::Quote(text); }

absl::Time TimeOr(bool is_known, const google::protobuf::Timestamp& time) {
  return is_known ? FromProto(time) : absl::InfinitePast();
}

template <typename Message>
std::string PrintAuthentication(const Message& device) {
  const std::string keys = ObjectWriter()
                               .Json("primaryKey", OrNull(device.primary_key()))
                               .Json("secondaryKey", OrNull(device.secondary_key()))
                               .Finish();
  const std::string thumbprints = ObjectWriter()
                                      .Json("primaryThumbprint", OrNull(device.primary_thumbprint()))
                                      .Json("secondaryThumbprint", OrNull(device.secondary_thumbprint()))
                                      .Finish();
  return ObjectWriter()
      .Json("symmetricKey", keys)
      .Json("x509Thumbprint", thumbprints)
      .Text("type", WordOfNumber(kAuthenticationTypeWords, device.authentication_type()))
      .Finish();
}

}  // namespace

absl::StatusOr<Device> ParseDevice(std::string_view id, const json::Value& body) {
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<std::string> named, TextMember(&body, "deviceId"));
  if (named && *named != id) return BadRequest(kArgumentInvalid, "the body names another device than the path");
  Device device;
  device.set_id(std::string(id));
  FLEETCAST_RETURN_IF_ERROR(ParseSettings(body, device));
  return device;
}

std::string PrintDevice(const Device& device) {
  ObjectWriter writer;
  writer.Text("deviceId", device.id())
      .Text("generationId", device.generation_id())
      .Text("etag", device.etag())
      .Text("connectionState", device.connected() ? "Connected" : "Disconnected")
      .Text("status", WordOfNumber(kStatusWords, device.status()))
      .Json("statusReason", OrNull(device.status_reason()))
      .Time("connectionStateUpdatedTime",
            TimeOr(device.has_connection_state_update_time(), device.connection_state_update_time()))
      .Time("statusUpdatedTime", TimeOr(device.has_status_update_time(), device.status_update_time()))
      .Time("lastActivityTime", TimeOr(device.has_last_activity_time(), device.last_activity_time()))
      .Integer("cloudToDeviceMessageCount", 0)
      .Json("authentication", PrintAuthentication(device))
      .Json("capabilities", ObjectWriter().Bool("iotEdge", device.iot_edge()).Finish());
  if (!device.device_scope().empty()) writer.Text("deviceScope", device.device_scope());
  if (!device.parent_scope().empty()) {
    writer.Json("parentScopes", absl::StrCat("[", json::Quote(device.parent_scope()), "]"));
  }
  return writer.Finish();
}

absl::StatusOr<Module> ParseModule(std::string_view device_id, std::string_view id, const json::Value& body) {
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<std::string> device, TextMember(&body, "deviceId"));
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<std::string> named, TextMember(&body, "moduleId"));
  if ((device && *device != device_id) || (named && *named != id)) {
    return BadRequest(kArgumentInvalid, "the body names another module than the path");
  }
  Module module;
  module.set_device_id(std::string(device_id));
  module.set_id(std::string(id));
  FLEETCAST_RETURN_IF_ERROR(CopyText(&body, "managedBy", module.mutable_managed_by()));
  FLEETCAST_RETURN_IF_ERROR(ParseAuthentication(body, module));
  return module;
}

std::string PrintModule(const Module& module) {
  return ObjectWriter()
      .Text("moduleId", module.id())
      .Json("managedBy", OrNull(module.managed_by()))
      .Text("deviceId", module.device_id())
      .Text("generationId", module.generation_id())
      .Text("etag", module.etag())
      .Text("connectionState", module.connected() ? "Connected" : "Disconnected")
      .Time("connectionStateUpdatedTime",
            TimeOr(module.has_connection_state_update_time(), module.connection_state_update_time()))
      .Time("lastActivityTime", TimeOr(module.has_last_activity_time(), module.last_activity_time()))
      .Integer("cloudToDeviceMessageCount", 0)
      .Json("authentication", PrintAuthentication(module))
      .Finish();
}

absl::StatusOr<std::vector<BulkElement>> ParseBulk(const json::Value& body) {
  if (!body.is_array()) return BadRequest(kWrongType, "the body must be an array of devices");
  if (body.array().empty()) return BadRequest(kArgumentNull, "the list of devices is empty");
  if (body.array().size() > kBulkDevicesMax) {
    return BadRequest(kTooManyDevices, absl::StrCat("more than ", kBulkDevicesMax, " devices in one request"));
  }
  std::vector<BulkElement> elements;
  std::map<std::string, int> occurrences;
  for (const json::Value& element : body.array()) {
    elements.push_back(ParseElement(element));
    ++occurrences[NameOf(elements.back())];
  }
  for (BulkElement& element : elements) {
    if (!element.device_id.empty() && occurrences[NameOf(element)] > 1) {
      element.change = BadRequest(kDeviceDefinedTwice, "the identity occurs more than once in this request");
    }
  }
  return elements;
}

std::string PrintBulkResult(const std::vector<BulkError>& errors) {
  std::vector<std::string> printed;
  for (const BulkError& error : errors) {
    ObjectWriter writer;
    writer.Text("deviceId", error.device_id)
        .Text("errorCode", ToAzureError(error.reason).name)
        .Text("errorStatus", error.message);
    if (!error.module_id.empty()) writer.Text("moduleId", error.module_id);
    printed.push_back(writer.Finish());
  }
  return ObjectWriter()
      .Bool("isSuccessful", errors.empty())
      .Json("errors", absl::StrCat("[", absl::StrJoin(printed, ","), "]"))
      .Json("warnings", "[]")
      .Finish();
}

}  // namespace fleetcast::rest_gateway
