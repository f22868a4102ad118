#include "services/twin/import_line.h"

#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/model/reasons.h"
#include "libs/model/registry_words.h"
#include "services/twin/registry_change.h"
#include "services/twin/twin_restore.h"

namespace fleetcast::twin {
namespace {

using json::Value;
using registry::v1::Device;
using registry::v1::DeviceChange;

// The words are listed by number.
static_assert(std::size(kAuthenticationTypeWords) == Device::AuthenticationType_ARRAYSIZE);
static_assert(std::size(kStatusWords) == Device::Status_ARRAYSIZE);
static_assert(std::size(kImportModeWords) == DeviceChange::Kind_ARRAYSIZE);

absl::Status Invalid(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidValue, message);
}

// The member `name` (camelCase) or its PascalCase form; nullptr when it is absent or null.
const Value* Find(const Value& object, std::string_view name) {
  const Value* found = object.Find(name);
  if (found == nullptr) {
    std::string other(name);
    other[0] = absl::ascii_toupper(static_cast<unsigned char>(other[0]));
    found = object.Find(other);
  }
  return found == nullptr || found->is_null() ? nullptr : found;
}

// Reads members of one object; remembers the first thing that is wrong.
class Reader {
 public:
  explicit Reader(const Value& object) : object_(object) {}

  std::string Text(std::string_view name) {
    const Value* value = Find(object_, name);
    if (value == nullptr) return "";
    if (value->is_string()) return value->AsString();
    Complain(absl::StrCat(Absl(name), " must be a string"));
    return "";
  }

  bool Flag(std::string_view name) {
    const Value* value = Find(object_, name);
    if (value == nullptr) return false;
    if (value->is_bool()) return value->AsBool();
    Complain(absl::StrCat(Absl(name), " must be true or false"));
    return false;
  }

  // A word of `words` in any case; `absent` when there is none.
  template <typename Enum>
  Enum Word(std::string_view name, RegistryWords words, Enum absent) {
    const std::string text = Text(name);
    if (text.empty()) return absent;
    if (const int number = NumberOfWord(words, text); number != 0) return static_cast<Enum>(number);
    Complain(absl::StrCat("unknown ", Absl(name)));
    return absent;
  }

  // An object; an empty one when it is absent.
  const Value& Object(std::string_view name) {
    static const auto* const empty = new Value(Value::MakeObject());
    const Value* value = Find(object_, name);
    if (value == nullptr) return *empty;
    if (value->is_object()) return *value;
    Complain(absl::StrCat(Absl(name), " must be an object"));
    return *empty;
  }

  // The only element of an array of strings.
  std::string OnlyText(std::string_view name) {
    const Value* value = Find(object_, name);
    if (value == nullptr || (value->is_array() && value->array().empty())) return "";
    if (value->is_array() && value->array().size() == 1 && value->array()[0].is_string()) {
      return value->array()[0].AsString();
    }
    Complain(absl::StrCat(Absl(name), " must be a list of one string"));
    return "";
  }

  void Take(const Reader& other) {
    if (status_.ok()) status_ = other.status_;
  }

  const absl::Status& status() const { return status_; }

 private:
  void Complain(std::string_view what) {
    if (status_.ok()) status_ = Invalid(what);
  }

  const Value& object_;
  absl::Status status_;
};

void ReadAuthentication(Reader& line, Device& device) {
  Reader authentication(line.Object("authentication"));
  device.set_authentication_type(
      authentication.Word("type", kAuthenticationTypeWords, Device::AUTHENTICATION_TYPE_UNSPECIFIED));
  Reader keys(authentication.Object("symmetricKey"));
  device.set_primary_key(keys.Text("primaryKey"));
  device.set_secondary_key(keys.Text("secondaryKey"));
  Reader thumbprints(authentication.Object("x509Thumbprint"));
  device.set_primary_thumbprint(thumbprints.Text("primaryThumbprint"));
  device.set_secondary_thumbprint(thumbprints.Text("secondaryThumbprint"));
  for (const Reader* part : {&authentication, &keys, &thumbprints}) line.Take(*part);
}

absl::StatusOr<DeviceChange> ReadIdentity(const Value& object, Identity& identity) {
  Reader line(object);
  identity = {line.Text("id"), line.Text("moduleId")};
  DeviceChange change;
  Device& device = *change.mutable_device();
  device.set_id(identity.device_id);
  change.set_module_id(identity.module_id);
  change.set_managed_by(line.Text("managedBy"));
  change.set_kind(line.Word("importMode", kImportModeWords, DeviceChange::KIND_CREATE_OR_UPDATE));
  change.set_twin_etag(line.Text("twinETag"));
  device.set_etag(line.Text("eTag"));
  device.set_status(line.Word("status", kStatusWords, Device::STATUS_ENABLED));
  device.set_status_reason(line.Text("statusReason"));
  device.set_device_scope(line.Text("deviceScope"));
  device.set_parent_scope(line.OnlyText("parentScopes"));
  Reader capabilities(line.Object("capabilities"));
  device.set_iot_edge(capabilities.Flag("iotEdge"));
  line.Take(capabilities);
  ReadAuthentication(line, device);
  FLEETCAST_RETURN_IF_ERROR(line.status());
  return change;
}

std::optional<Value> Copy(const Value* value) { return value == nullptr ? std::nullopt : std::optional(*value); }

absl::Status ReadTwin(const Value& object, const DeviceChange& given, absl::Time now, RegistryChange& change) {
  Reader line(object);
  const Value& properties = line.Object("properties");
  FLEETCAST_RETURN_IF_ERROR(line.status());
  if (change.kind == RegistryChange::Kind::kEditTwin) {
    const auto text = [](const Value* value) { return value == nullptr ? std::string() : json::Print(*value); };
    FLEETCAST_ASSIGN_OR_RETURN(change.edit, ParseMerge(text(Find(object, "tags")), text(Find(properties, "desired"))));
    const bool is_conditional = given.kind() == DeviceChange::KIND_UPDATE_TWIN_IF_MATCH;
    change.twin_condition = EtagCondition::Parse(is_conditional ? given.twin_etag() : "*");
    return absl::OkStatus();
  }
  FLEETCAST_ASSIGN_OR_RETURN(RestoredTwin restored,
                             RestoreTwin({Copy(Find(object, "tags")), Copy(Find(properties, "desired")),
                                          Copy(Find(properties, "reported")), given.twin_etag()},
                                         now));
  change.device.twin = std::move(restored.twin);
  change.device.reported = std::move(restored.reported);
  change.edit = std::move(restored.edit);
  return absl::OkStatus();
}

absl::StatusOr<RegistryChange> Read(std::string_view line, const KeyVault& vault, absl::Time now, Identity& identity) {
  FLEETCAST_ASSIGN_OR_RETURN(const Value object, json::Parse(line, {.bytes_max = kImportLineBytesMax,
                                                                    .numbers = json::NumberRule::kTwinValue}));
  if (!object.is_object()) return Invalid("a line must be a JSON object");
  FLEETCAST_ASSIGN_OR_RETURN(const DeviceChange given, ReadIdentity(object, identity));
  FLEETCAST_ASSIGN_OR_RETURN(RegistryChange change, ReadIdentityChange(given, vault));
  const bool has_twin = change.kind != RegistryChange::Kind::kDelete && change.kind != RegistryChange::Kind::kUpdate;
  if (has_twin) FLEETCAST_RETURN_IF_ERROR(ReadTwin(object, given, now, change));
  return change;
}

}  // namespace

ImportLine ReadImportLine(std::string_view line, const KeyVault& vault, absl::Time now) {
  ImportLine out{{}, absl::UnknownError("")};
  out.change = Read(line, vault, now, out.identity);
  return out;
}

}  // namespace fleetcast::twin
