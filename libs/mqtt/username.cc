#include "libs/mqtt/username.h"

#include "libs/mqtt/percent.h"
#include "libs/mqtt/topics.h"
#include "libs/mqtt/utf8.h"

namespace fleetcast::mqtt {
namespace {

constexpr std::string_view kIdPunctuation = "-:._%*?!(),=@;$'";

// Takes the last segment off `path` if it is the query; documents of before 2018 leave the '?' out.
std::string_view TakeQuery(std::string_view* path) {
  const size_t slash = path->rfind('/');
  if (slash == std::string_view::npos) return {};
  const std::string_view last = path->substr(slash + 1);
  if (!last.empty() && last.find("api-version=") == std::string_view::npos) return {};
  path->remove_suffix(path->size() - slash);
  return last;
}

// Stores the decoded value unless the parameter was there before. False for broken percent-encoding, and for what is no
// text once it is decoded.
bool Store(const Property& property, std::string* value) {
  if (!value->empty()) return true;
  std::optional<std::string> decoded = PercentDecode(property.value.value_or(""));
  if (!decoded.has_value() || !IsMqttText(*decoded)) return false;
  *value = *std::move(decoded);
  return true;
}

bool ReadQuery(std::string_view query, Username* username) {
  PropertyReader reader(query);
  for (Property property; reader.Next(&property);) {
    bool is_good = true;
    if (property.name == "api-version") is_good = Store(property, &username->api_version);
    if (property.name == "DeviceClientType") is_good = Store(property, &username->product_info);
    if (property.name == "model-id") is_good = Store(property, &username->model_id);
    if (!is_good) return false;
  }
  return true;
}

}  // namespace

std::optional<Username> ParseUsername(std::string_view text) {
  if (text.size() > kUsernameBytesMax) return std::nullopt;
  const size_t slash = text.find('/');
  if (slash == 0 || slash == std::string_view::npos) return std::nullopt;
  Username username;
  username.host = text.substr(0, slash);
  // A query may hold slashes (`DeviceClientType=a/b`): with a '?' it starts at the first "/?".
  const size_t mark = text.find("/?", slash);
  const bool has_mark = mark != std::string_view::npos;
  if (mark == slash) return std::nullopt;
  std::string_view path = text.substr(slash + 1, has_mark ? mark - slash - 1 : mark);
  const std::string_view query = has_mark ? text.substr(mark + 2) : TakeQuery(&path);
  if (!ReadQuery(query, &username)) return std::nullopt;
  const size_t module = path.find('/');
  username.device_id = path.substr(0, module);
  if (username.device_id.empty()) return std::nullopt;
  if (module != std::string_view::npos) {
    username.module_id = path.substr(module + 1);
    if (username.module_id.empty() || username.module_id.find('/') != std::string::npos) return std::nullopt;
  }
  return username;
}

std::string ClientIdOf(const Username& username) {
  std::string client_id = username.device_id;
  if (!username.module_id.empty()) client_id.append("/").append(username.module_id);
  return client_id;
}

std::string FormatUsername(std::string_view host, std::string_view client_id, std::string_view api_version,
                           std::string_view product_info) {
  std::string text(host);
  text.append("/").append(client_id).append("/?api-version=").append(api_version).append("&DeviceClientType=");
  PercentEncode(product_info, &text);
  return text;
}

bool IsUsableId(std::string_view id) {
  if (id.empty() || id.size() > kIdBytesMax) return false;
  for (const char c : id) {
    const bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_letter && !is_digit && kIdPunctuation.find(c) == std::string_view::npos) return false;
  }
  return true;
}

}  // namespace fleetcast::mqtt
