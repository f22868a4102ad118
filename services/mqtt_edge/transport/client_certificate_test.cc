// Handshakes in memory between the edge's TLS settings and clients with all sorts of certificates.
#include "services/mqtt_edge/transport/client_certificate.h"

#include <openssl/ssl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/mqtt_edge/testing/test_identity.h"
#include "services/mqtt_edge/transport/tls.h"

namespace fleetcast::mqtt_edge {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// What a client brings to a handshake.
struct Hand {
  const TestIdentity* identity = nullptr;
  std::vector<const TestIdentity*> chain = {};
  SSL_SESSION* session = nullptr;
  EVP_PKEY* key = nullptr;  // Instead of that of `identity`.
  int version = TLS1_3_VERSION;
};

// Both ends of one connection.
class Connection {
 public:
  Connection(SSL_CTX* server_context, const Hand& hand)
      : context_(SSL_CTX_new(TLS_client_method())), server_(SSL_new(server_context)) {
    SSL_CTX_set_max_proto_version(context_, hand.version);
    if (hand.identity != nullptr) {
      SSL_CTX_use_certificate(context_, hand.identity->certificate());
      SSL_CTX_use_PrivateKey(context_, hand.key == nullptr ? hand.identity->key() : hand.key);
    }
    for (const TestIdentity* link : hand.chain) SSL_CTX_add1_chain_cert(context_, link->certificate());
    client_ = SSL_new(context_);
    if (hand.session != nullptr) SSL_set_session(client_, hand.session);
    BIO* client_end = nullptr;
    BIO* server_end = nullptr;
    BIO_new_bio_pair(&client_end, 0, &server_end, 0);
    SSL_set_bio(client_, client_end, client_end);
    SSL_set_bio(server_, server_end, server_end);
    SSL_set_connect_state(client_);
    SSL_set_accept_state(server_);
    for (int i = 0; i < 20; ++i) {
      SSL_do_handshake(client_);
      SSL_do_handshake(server_);
    }
    // Tickets of TLS 1.3 come behind the handshake.
    char byte = 0;
    SSL_read(client_, &byte, 1);
  }
  ~Connection() {
    SSL_set_shutdown(client_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);  // Else its session is not resumed any more.
    SSL_free(client_);
    SSL_free(server_);
    SSL_CTX_free(context_);
  }

  SSL* server() const { return server_; }
  bool is_complete() const { return SSL_is_init_finished(server_) == 1; }
  bool was_resumed() const { return SSL_session_reused(server_) == 1; }
  std::shared_ptr<SSL_SESSION> session() const { return {SSL_get1_session(client_), SSL_SESSION_free}; }

 private:
  SSL_CTX* const context_;
  SSL* client_ = nullptr;
  SSL* const server_;
};

class ClientCertificateTest : public ::testing::Test {
 protected:
  ClientCertificateTest() {
    const TestIdentity server({.common_name = "localhost", .extended_usage = ""});
    const std::string chain = Write("server.pem", server.certificate_pem());
    tls_ = *TlsContext::Create({{chain, Write("server.key", server.key_pem())}}, TlsRules{});
  }
  ~ClientCertificateTest() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::string path = directory_ + "/" + name;
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
    return path;
  }
  void Trust(const std::string& bundle) { authorities_ = *ClientAuthorities::Load(Write("ca.pem", bundle)); }

  ClientCertificate Show(const Hand& hand) {
    const Connection connection(tls_->get(), hand);
    EXPECT_TRUE(connection.is_complete());
    return Read(connection);
  }
  ClientCertificate Read(const Connection& connection) {
    return ReadClientCertificate(connection.server(), authorities_.get(), now_);
  }

  static std::string MakeDirectory() {
    char name[] = "/tmp/fleetcast-edge-XXXXXX";
    return mkdtemp(name);
  }

  const std::string directory_ = MakeDirectory();
  const TestIdentity root_{{.common_name = "root", .is_authority = true}};
  const TestIdentity middle_{{.common_name = "middle", .issuer = &root_, .is_authority = true}};
  absl::Duration now_ = absl::Hours(1);
  std::unique_ptr<TlsContext> tls_;
  std::unique_ptr<ClientAuthorities> authorities_;
};

TEST_F(ClientCertificateTest, AClientWithoutOneIsServed) {
  const ClientCertificate none = Show({});
  EXPECT_THAT(none.sha1, IsEmpty());
  EXPECT_THAT(none.sha256, IsEmpty());
  EXPECT_FALSE(none.is_signed);
}

TEST_F(ClientCertificateTest, ASelfSignedOneIsDigestsDatesAndAName) {
  Trust(root_.certificate_pem());
  const TestIdentity device({.common_name = "dev-1", .valid_from = -absl::Hours(2), .valid_for = -absl::Hours(1)});
  const ClientCertificate shown = Show({.identity = &device});
  EXPECT_THAT(shown.sha1, SizeIs(40));
  EXPECT_THAT(shown.sha256, SizeIs(64));
  EXPECT_EQ(shown.common_name, "dev-1");
  EXPECT_FALSE(shown.is_signed);
  EXPECT_LT(shown.valid_until, absl::Now());  // The handshake does not care, CONNECT does.
  EXPECT_LT(shown.valid_from, shown.valid_until);
}

TEST_F(ClientCertificateTest, OneOfAnAuthorityIsSigned) {
  Trust(root_.certificate_pem());
  const TestIdentity device({.common_name = "dev-1", .issuer = &root_, .valid_for = absl::Hours(99)});
  const ClientCertificate shown = Show({.identity = &device});
  EXPECT_TRUE(shown.is_signed);
  EXPECT_EQ(shown.common_name, "dev-1");
  EXPECT_LT(shown.valid_until, absl::Now() + absl::Hours(2)) << "not longer than its authority";
}

TEST_F(ClientCertificateTest, WithoutAuthoritiesNobodySigns) {
  const TestIdentity device({.common_name = "dev-1", .issuer = &root_});
  EXPECT_FALSE(Show({.identity = &device}).is_signed);
  Trust("");
  EXPECT_FALSE(Show({.identity = &device}).is_signed);
}

TEST_F(ClientCertificateTest, ChainsThroughWhatTheClientSends) {
  Trust(root_.certificate_pem());
  const TestIdentity device({.common_name = "dev-1", .issuer = &middle_});
  EXPECT_TRUE(Show({.identity = &device, .chain = {&middle_}}).is_signed);
  EXPECT_FALSE(Show({.identity = &device}).is_signed);
}

TEST_F(ClientCertificateTest, AnIntermediateCanBeAnAuthority) {
  Trust(middle_.certificate_pem());
  const TestIdentity device({.common_name = "dev-1", .issuer = &middle_});
  EXPECT_TRUE(Show({.identity = &device}).is_signed);
}

TEST_F(ClientCertificateTest, WhatOnlyLooksSignedIsNot) {
  Trust(root_.certificate_pem());
  const TestIdentity same_name({.common_name = "root", .is_authority = true});
  const TestIdentity foreign({.common_name = "dev-1", .issuer = &same_name});
  EXPECT_FALSE(Show({.identity = &foreign}).is_signed);
  EXPECT_FALSE(Show({.identity = &foreign, .chain = {&same_name}}).is_signed);
  const TestIdentity device({.common_name = "dev-1", .issuer = &root_});
  const TestIdentity by_device({.common_name = "dev-2", .issuer = &device});
  EXPECT_FALSE(Show({.identity = &by_device, .chain = {&device}}).is_signed) << "a device is no authority";
  const TestIdentity server({.common_name = "dev-1", .issuer = &root_, .extended_usage = "serverAuth"});
  EXPECT_FALSE(Show({.identity = &server}).is_signed) << "for servers";
  Trust(device.certificate_pem());
  EXPECT_FALSE(Show({.identity = &device}).is_signed) << "it stands in the list itself";
}

TEST_F(ClientCertificateTest, DTls4PossessionOfTheKeyIsProven) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const TestIdentity device({.common_name = "dev-1"});
    const std::shared_ptr<EVP_PKEY> forged = device.ForgedKey();
    const Connection connection(tls_->get(), {.identity = &device, .key = forged.get(), .version = version});
    EXPECT_FALSE(connection.is_complete()) << version;
  }
}

TEST_F(ClientCertificateTest, AResumedSessionStillHasCertificateAndChain) {
  Trust(root_.certificate_pem());
  const TestIdentity device({.common_name = "dev-1", .issuer = &middle_});
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Connection first(tls_->get(), {.identity = &device, .chain = {&middle_}, .version = version});
    const ClientCertificate shown = Read(first);
    std::shared_ptr<SSL_SESSION> session = first.session();
    for (int again = 0; again < 3; ++again) {
      // Nothing but the ticket says who this is.
      const Connection next(tls_->get(), {.session = session.get(), .version = version});
      ASSERT_TRUE(next.was_resumed()) << version << " " << again;
      const ClientCertificate resumed = Read(next);
      EXPECT_EQ(resumed.sha256, shown.sha256);
      EXPECT_EQ(resumed.common_name, "dev-1");
      EXPECT_TRUE(resumed.is_signed) << version << " " << again;
      session = next.session();
    }
    // An authority that is gone is gone for resumed sessions, too.
    Trust(TestIdentity({.common_name = "other", .is_authority = true}).certificate_pem());
    const Connection late(tls_->get(), {.session = session.get(), .version = version});
    EXPECT_TRUE(late.was_resumed());
    EXPECT_FALSE(Read(late).is_signed);
    Trust(root_.certificate_pem());
  }
}

TEST_F(ClientCertificateTest, TheBundleIsReadAgainWhenItChanges) {
  const TestIdentity other({.common_name = "other", .is_authority = true});
  const TestIdentity device({.common_name = "dev-1", .issuer = &other});
  Trust(root_.certificate_pem());
  EXPECT_FALSE(Show({.identity = &device}).is_signed);
  Write("ca.pem", root_.certificate_pem() + other.certificate_pem());
  now_ += ClientAuthorities::kLook;
  EXPECT_TRUE(Show({.identity = &device}).is_signed);
  Write("ca.pem", "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n");
  now_ += ClientAuthorities::kLook;
  EXPECT_TRUE(Show({.identity = &device}).is_signed) << "the last good ones stay";
  Write("ca.pem", root_.certificate_pem());
  now_ += ClientAuthorities::kLook;
  EXPECT_FALSE(Show({.identity = &device}).is_signed);
}

TEST_F(ClientCertificateTest, ABundleThatCannotBeUsedIsRefusedAtTheStart) {
  EXPECT_FALSE(ClientAuthorities::Load(directory_ + "/nothing.pem").ok());
  EXPECT_FALSE(
      ClientAuthorities::Load(Write("bad.pem", root_.certificate_pem() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END "
                                                                         "CERTIFICATE-----\n"))
          .ok());
  EXPECT_TRUE(ClientAuthorities::Load(Write("empty.pem", "")).ok());
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
