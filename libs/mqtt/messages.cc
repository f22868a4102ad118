#include "libs/mqtt/messages.h"

#include <array>
#include <charconv>
#include <initializer_list>

#include "libs/mqtt/codec.h"
#include "libs/mqtt/percent.h"

namespace fleetcast::mqtt {
namespace {

// A number as text without an allocation.
class NumberText {
 public:
  template <typename Number>
  explicit NumberText(Number value, int base = 10) {
    const auto [end, error] = std::to_chars(digits_.data(), digits_.data() + digits_.size(), value, base);
    size_ = static_cast<size_t>(end - digits_.data());
  }
  std::string_view view() const { return {digits_.data(), size_}; }

 private:
  std::array<char, 24> digits_;
  size_t size_ = 0;
};

// Appends a PUBLISH whose topic is the concatenation of `topic`.
void AppendPublish(std::initializer_list<std::string_view> topic, std::string_view payload,
                   std::optional<uint16_t> packet_id, const PublishProperties* properties, std::string* out) {
  size_t topic_size = 0;
  for (const std::string_view piece : topic) topic_size += piece.size();
  const size_t properties_size = properties != nullptr ? EncodedSize(*properties) : 0;
  EncodePublishHeader(topic_size, payload.size(), packet_id.has_value(), properties_size, out);
  for (const std::string_view piece : topic) out->append(piece);
  if (packet_id.has_value()) {
    out->push_back(static_cast<char>(*packet_id >> 8));
    out->push_back(static_cast<char>(*packet_id & 0xff));
  }
  if (properties != nullptr) EncodeProperties(*properties, out);
  out->append(payload);
}

}  // namespace

void AppendMethodRequest(std::string_view method, uint64_t call_id, std::string_view payload, std::string* out,
                         const PublishProperties* properties) {
  constexpr std::string_view kBefore = "$iothub/methods/POST/";
  constexpr std::string_view kAfter = "/?$rid=";
  const NumberText rid(call_id, 16);
  const size_t topic_size = kBefore.size() + PercentEncodedSize(method) + kAfter.size() + rid.view().size();
  const size_t properties_size = properties != nullptr ? EncodedSize(*properties) : 0;
  EncodePublishHeader(topic_size, payload.size(), false, properties_size, out);
  out->append(kBefore);
  PercentEncode(method, out);
  out->append(kAfter).append(rid.view());
  if (properties != nullptr) EncodeProperties(*properties, out);
  out->append(payload);
}

void AppendTwinResponse(int status, std::string_view request_id, std::optional<int64_t> version,
                        std::string_view document, std::string* out, const PublishProperties* properties) {
  const NumberText status_text(status);
  const NumberText version_text(version.value_or(0));
  const bool has_version = version.has_value();
  AppendPublish({"$iothub/twin/res/", status_text.view(), "/?$rid=", request_id, has_version ? "&$version=" : "",
                 has_version ? version_text.view() : ""},
                document, std::nullopt, properties, out);
}

void AppendDesiredChange(int64_t version, std::string_view patch, std::string* out,
                         const PublishProperties* properties) {
  const NumberText version_text(version);
  AppendPublish({"$iothub/twin/PATCH/properties/desired/?$version=", version_text.view()}, patch, std::nullopt,
                properties, out);
}

void AppendMethodResponse(int status, std::string_view request_id, std::string_view payload,
                          std::optional<uint16_t> packet_id, std::string* out) {
  const NumberText status_text(status);
  AppendPublish({"$iothub/methods/res/", status_text.view(), "/?$rid=", request_id}, payload, packet_id, nullptr, out);
}

void AppendTwinRead(std::string_view request_id, std::optional<uint16_t> packet_id, std::string* out) {
  AppendPublish({"$iothub/twin/GET/?$rid=", request_id}, "", packet_id, nullptr, out);
}

void AppendReportedPatch(std::string_view request_id, std::string_view patch, std::optional<uint16_t> packet_id,
                         std::string* out) {
  AppendPublish({"$iothub/twin/PATCH/properties/reported/?$rid=", request_id}, patch, packet_id, nullptr, out);
}

}  // namespace fleetcast::mqtt
