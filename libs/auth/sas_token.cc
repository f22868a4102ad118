#include "libs/auth/sas_token.h"

#include <array>
#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/auth/base64.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"

namespace fleetcast::auth {
namespace {

constexpr std::string_view kScheme = "SharedAccessSignature ";
constexpr size_t kSignatureBytes = 32;
// 9999-12-31T23:59:59Z; keeps what later code does with an expiry far from overflow.
constexpr int64_t kExpirySecondsMax = 253402300799;

absl::Status Malformed(std::string_view what) {
  return MakeError(absl::StatusCode::kUnauthenticated, reasons::kSasMalformed, what);
}

// The four fields as received; absent ones have no value.
struct Fields {
  std::optional<std::string_view> sr, sig, se, skn;
};

absl::StatusOr<Fields> SplitFields(std::string_view text) {
  Fields fields;
  const std::array<std::pair<absl::string_view, std::optional<std::string_view>*>, 4> known = {
      {{"sr", &fields.sr}, {"sig", &fields.sig}, {"se", &fields.se}, {"skn", &fields.skn}}};
  for (const absl::string_view field : absl::StrSplit(Absl(text), '&')) {
    const size_t equals = field.find('=');
    if (equals == absl::string_view::npos) return Malformed("a field of the token has no '='");
    for (const auto& [name, value] : known) {
      if (!absl::EqualsIgnoreCase(field.substr(0, equals), name)) continue;
      if (value->has_value()) return Malformed("a field of the token occurs twice");
      *value = Std(field.substr(equals + 1));
    }
  }
  return fields;
}

// Decimal seconds; a fraction is accepted and cut off.
std::optional<absl::Time> ParseExpiry(std::string_view text) {
  int64_t seconds = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, seconds);
  if (error != std::errc() || seconds < 0 || seconds > kExpirySecondsMax) return std::nullopt;
  if (rest == end) return absl::FromUnixSeconds(seconds);
  const std::string_view fraction(rest, static_cast<size_t>(end - rest));
  if (fraction.front() != '.' || fraction.find_first_not_of("0123456789", 1) != std::string_view::npos) {
    return std::nullopt;
  }
  return absl::FromUnixSeconds(seconds);
}

}  // namespace

absl::StatusOr<SasToken> ParseSasToken(std::string_view text) {
  if (text.size() > kSasTokenBytesMax) return Malformed("the token is too long");
  if (!absl::StartsWithIgnoreCase(Absl(text), Absl(kScheme))) {
    return Malformed("the credential is not a shared access signature");
  }
  absl::StatusOr<Fields> fields = SplitFields(text.substr(kScheme.size()));
  if (!fields.ok()) return fields.status();
  if (!fields->sr || !fields->sig || !fields->se || fields->sr->empty()) {
    return Malformed("the token lacks sr, sig or se");
  }
  const std::optional<absl::Time> expiry = ParseExpiry(*fields->se);
  if (!expiry) return Malformed("the token's expiry is not a number of seconds");
  const std::optional<std::string> encoded = PercentDecode(*fields->sig);
  std::optional<std::string> signature = encoded ? Base64Decode(*encoded) : std::nullopt;
  if (!signature || signature->size() != kSignatureBytes) return Malformed("the token's signature is not decodable");
  std::optional<std::string> policy = PercentDecode(fields->skn.value_or(""));
  if (!policy) return Malformed("the token's policy name is not decodable");
  return SasToken{.signed_text = absl::StrCat(Absl(*fields->sr), "\n", Absl(*fields->se)),
                  .resource = std::string(*fields->sr),
                  .signature = *std::move(signature),
                  .expiry = *expiry,
                  .policy = *std::move(policy)};
}

bool IsSignedBy(const SasToken& token, const KeyPair& keys) {
  // Both are always computed, so that the time does not tell which key is in use.
  const bool by_primary = ConstantTimeEquals(keys.primary.Sign(token.signed_text), token.signature);
  const bool by_secondary = ConstantTimeEquals(keys.secondary.Sign(token.signed_text), token.signature);
  return by_primary || by_secondary;
}

SasResource SplitResource(std::string_view resource) {
  absl::string_view rest = Absl(resource);
  for (const absl::string_view scheme : {"https://", "sb://"}) {
    if (absl::StartsWithIgnoreCase(rest, scheme)) {
      rest.remove_prefix(scheme.size());
      break;
    }
  }
  SasResource parts;
  const size_t slash = rest.find('/');
  const absl::string_view authority = rest.substr(0, slash);
  parts.host = absl::AsciiStrToLower(authority.substr(0, authority.find(':')));
  if (slash != absl::string_view::npos) {
    parts.segments = absl::StrSplit(rest.substr(slash + 1), '/', absl::SkipEmpty());
  }
  return parts;
}

std::string MakeSasToken(std::string_view resource, const Key& key, absl::Time expiry, std::string_view policy) {
  const std::string sr = PercentEncode(resource);
  const int64_t se = absl::ToUnixSeconds(expiry);
  const std::string signature = Base64Encode(key.Sign(absl::StrCat(sr, "\n", se)));
  std::string token = absl::StrCat(Absl(kScheme), "sr=", sr, "&sig=", PercentEncode(signature), "&se=", se);
  if (!policy.empty()) absl::StrAppend(&token, "&skn=", PercentEncode(policy));
  return token;
}

}  // namespace fleetcast::auth
