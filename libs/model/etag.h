// Entity tags: what a client must have seen to be allowed to write (service-rest 1.6).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fleetcast {

// The tag of a twin: base64 of an 8-byte big-endian counter ("AAAAAAAAAAE=" for 1). Without quotes.
std::string TwinEtag(uint64_t version);

// The tag of a device or module: base64 of a decimal counter ("MQ==" for 1). Without quotes.
std::string DeviceEtag(uint64_t version);

// What an If-Match header or an etag field asks for.
class EtagCondition {
 public:
  // Accepts a bare tag, a quoted one, a weak one (W/"…"), `*` and `"*"`. Empty, also in quotes, means no condition.
  static EtagCondition Parse(std::string_view text);

  // True when the text named no tag: anything goes, also a resource that does not exist.
  bool absent() const { return kind_ == Kind::kAbsent; }
  // True for `*`: any version of an existing resource.
  bool any() const { return kind_ == Kind::kAny; }
  // The tag that is asked for, without quotes; nullopt when absent or any.
  std::optional<std::string> tag() const;
  // True when a resource with this `etag` (without quotes) may be written. Compares octets.
  bool Matches(std::string_view etag) const;

 private:
  enum class Kind { kAbsent, kAny, kTag };
  Kind kind_ = Kind::kAbsent;
  std::string tag_;
};

}  // namespace fleetcast
