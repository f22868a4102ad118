#include "libs/auth/sas_token.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/auth/base64.h"
#include "libs/base/status.h"
#include "libs/model/reasons.h"

namespace fleetcast::auth {
namespace {

// Key and signatures of device-mqtt.md 2.4.
constexpr char kKey[] = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
constexpr char kExpiry[] = "4102444800";

struct Vector {
  const char* resource;
  const char* signature;
};
constexpr Vector kVectors[] = {
    {"hub.test.local%2Fdevices%2Fdev-1", "I9QT/vvIkaKm93tspHqYQGuJxQe1XahRGGtuqYbxNHU="},
    {"hub.test.local%2fdevices%2fdev-1", "x5hclUMxVtK0nOIZuqaQ0SwFuSdMk2pRSfZf1Z6zMrU="},
    {"hub.test.local/devices/dev-1", "S0SuRq/2LobhpIGk27nEgsSWWMZamz1XC9qCBSkGG/A="},
    {"hub.test.local%2Fdevices%2Fdev-1%2Fmodules%2Fmod-a", "3Vyy8GAeYusyOV3GO6yC6y9+nvj91lavgElUn57my04="},
};

KeyPair Keys() { return {*Key::FromBase64(kKey), Key::Generate()}; }

std::string Token(const Vector& vector) {
  return absl::StrCat("SharedAccessSignature sr=", vector.resource, "&sig=", PercentEncode(vector.signature),
                      "&se=", kExpiry);
}

TEST(SasTokenTest, VerifiesTheResourceAsReceived) {
  for (const Vector& vector : kVectors) {
    const absl::StatusOr<SasToken> token = ParseSasToken(Token(vector));
    ASSERT_TRUE(token.ok()) << token.status();
    EXPECT_TRUE(IsSignedBy(*token, Keys())) << vector.resource;
    EXPECT_EQ(token->resource, vector.resource);
    EXPECT_EQ(token->expiry, absl::FromUnixSeconds(4102444800));
    EXPECT_EQ(token->policy, "");
  }
}

TEST(SasTokenTest, AcceptsTheSecondaryKeyAndNoOther) {
  const absl::StatusOr<SasToken> token = ParseSasToken(Token(kVectors[0]));
  EXPECT_TRUE(IsSignedBy(*token, {Key::Generate(), *Key::FromBase64(kKey)}));
  EXPECT_FALSE(IsSignedBy(*token, KeyPair::Generate()));
  EXPECT_FALSE(IsSignedBy(*token, {}));
}

TEST(SasTokenTest, AcceptsFieldsInAnyOrderAndCase) {
  const std::string sr = absl::StrCat("sr=", kVectors[0].resource);
  const std::string sig = absl::StrCat("sig=", PercentEncode(kVectors[0].signature));
  const std::string se = absl::StrCat("se=", kExpiry);
  for (const std::string& fields :
       {absl::StrCat(sr, "&", sig, "&skn=p&", se), absl::StrCat(sig, "&", se, "&", sr, "&skn=p"),
        absl::StrCat("skn=p&", se, "&", sr, "&", sig), absl::StrCat(se, "&SKN=p&", sig, "&", sr, "&new=1")}) {
    const absl::StatusOr<SasToken> token = ParseSasToken(absl::StrCat("sharedaccesssignature ", fields));
    ASSERT_TRUE(token.ok()) << fields << token.status();
    EXPECT_TRUE(IsSignedBy(*token, Keys())) << fields;
    EXPECT_EQ(token->policy, "p");
  }
}

TEST(SasTokenTest, TakesARawPlusInTheSignatureForAPlus) {
  const std::string raw =
      absl::StrCat("SharedAccessSignature sr=", kVectors[3].resource, "&sig=", kVectors[3].signature, "&se=", kExpiry);
  const absl::StatusOr<SasToken> token = ParseSasToken(raw);
  ASSERT_TRUE(token.ok()) << token.status();  // Also shows that a value may hold '='.
  EXPECT_TRUE(IsSignedBy(*token, Keys()));
}

TEST(SasTokenTest, CutsAFractionOffTheExpiryButSignsIt) {
  const Key key = Key::Generate();
  const std::string sig = PercentEncode(Base64Encode(key.Sign("h\n1700000000.75")));
  const absl::StatusOr<SasToken> token =
      ParseSasToken(absl::StrCat("SharedAccessSignature sr=h&se=1700000000.75&sig=", sig));
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->expiry, absl::FromUnixSeconds(1700000000));
  EXPECT_TRUE(IsSignedBy(*token, {key, {}}));
}

TEST(SasTokenTest, RefusesMalformedTokensWithoutShowingThem) {
  const std::string sig = PercentEncode(kVectors[0].signature);
  const std::string good = Token(kVectors[0]);
  for (const std::string& text : {std::string(),
                                  std::string("Bearer abc"),
                                  std::string("SharedAccessSignature"),
                                  std::string("SharedAccessSignature "),
                                  absl::StrCat("SharedAccessSignature  ", good.substr(22)),
                                  absl::StrCat(good, "&se=1"),
                                  absl::StrCat(good, "&SR=h"),
                                  absl::StrCat(good, "&novalue"),
                                  absl::StrCat("SharedAccessSignature sr=h&sig=", sig),
                                  absl::StrCat("SharedAccessSignature sig=", sig, "&se=1"),
                                  absl::StrCat("SharedAccessSignature sr=&sig=", sig, "&se=1"),
                                  absl::StrCat("SharedAccessSignature sr=h&sig=", sig, "&se="),
                                  absl::StrCat("SharedAccessSignature sr=h&sig=", sig, "&se=-1"),
                                  absl::StrCat("SharedAccessSignature sr=h&sig=", sig, "&se=1e9"),
                                  absl::StrCat("SharedAccessSignature sr=h&sig=", sig, "&se=1x"),
                                  absl::StrCat("SharedAccessSignature sr=h&sig=", sig, "&se=99999999999999999999"),
                                  std::string("SharedAccessSignature sr=h&sig=AAAA&se=1"),
                                  std::string("SharedAccessSignature sr=h&sig=%4&se=1"),
                                  absl::StrCat(good, "&skn=%zz"),
                                  absl::StrCat(good, "&x=", std::string(kSasTokenBytesMax, 'x'))}) {
    const absl::Status status = ParseSasToken(text).status();
    EXPECT_EQ(GetReason(status), reasons::kSasMalformed) << text;
    EXPECT_FALSE(absl::StrContains(status.message(), sig));
  }
}

TEST(SasTokenTest, MakesTokensThatParse) {
  const Key key = Key::Generate();
  const absl::StatusOr<SasToken> token =
      ParseSasToken(MakeSasToken("hub/devices/a%b", key, absl::FromUnixSeconds(7), "own er"));
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->resource, "hub%2Fdevices%2Fa%25b");
  EXPECT_EQ(token->policy, "own er");
  EXPECT_TRUE(IsSignedBy(*token, {key, {}}));
}

TEST(SasResourceTest, SplitsHostAndPath) {
  const SasResource resource = SplitResource("HTTPS://Hub.Test.Local:443/devices/Dev-1/");
  EXPECT_EQ(resource.host, "hub.test.local");
  EXPECT_EQ(resource.segments, (std::vector<std::string>{"devices", "Dev-1"}));
  EXPECT_TRUE(SplitResource("hub").segments.empty());
  EXPECT_EQ(SplitResource("sb://hub").host, "hub");
}

}  // namespace
}  // namespace fleetcast::auth
