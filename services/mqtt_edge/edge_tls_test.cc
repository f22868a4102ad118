// TLS of the edge with real sockets (device-mqtt.md 1.3).
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/escaping.h"
#include "libs/base/random.h"
#include "services/mqtt_edge/testing/edge_fixture.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using fleetcast::testing::WaitFor;

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

// A line of a ticket key file.
std::string TicketKeyLine() { return absl::Base64Escape(RandomBytes(TicketKeys::kKeyBytes)) + "\n"; }

// A TLS session that was kept for later.
using Session = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;

// OpenSSL does not offer a session again whose connection or context has ended: a copy does not know of that.
Session Copy(SSL_SESSION* session) { return Session(SSL_SESSION_dup(session), SSL_SESSION_free); }

// One TLS connection whose every setting is the test's.
class TlsPeer {
 public:
  using Setup = std::function<void(SSL_CTX* context)>;

  explicit TlsPeer(int port, const Setup& setup = {}, SSL_SESSION* session = nullptr)
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free), fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (setup) setup(context_.get());
    ssl_.reset(SSL_new(context_.get()));
    if (session != nullptr) SSL_set_session(ssl_.get(), Copy(session).get());
    const timeval patience{30, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return;
    SSL_set_fd(ssl_.get(), fd_);
    SSL_set_msg_callback(ssl_.get(), OnMessage);
    SSL_set_msg_callback_arg(ssl_.get(), this);
    is_connected_ = SSL_connect(ssl_.get()) == 1;
    ERR_clear_error();
  }
  ~TlsPeer() {
    ssl_.reset();
    close(fd_);
  }

  bool is_connected() const { return is_connected_; }
  SSL* ssl() const { return ssl_.get(); }
  bool was_resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  size_t longest_record() const { return longest_record_; }
  bool Send(std::string_view bytes) {
    return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
  }
  // Exactly `size` bytes, or what came before the end.
  std::string Read(size_t size) {
    std::string bytes(size, '\0');
    size_t have = 0;
    while (have < size) {
      const int got = SSL_read(ssl_.get(), bytes.data() + have, static_cast<int>(size - have));
      if (got <= 0) break;
      have += static_cast<size_t>(got);
    }
    return bytes.substr(0, have);
  }
  // A PINGREQ is no CONNECT: the edge closes. With TLS 1.3 the ticket has come by then.
  Session TakeSession() {
    Send("\xc0\0"s);
    Read(1);
    return Copy(SSL_get_session(ssl_.get()));
  }
  // The certificate that the edge has shown, as its fingerprint.
  std::string Fingerprint() const {
    const X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
    if (certificate == nullptr) return "";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    X509_digest(certificate, EVP_sha256(), digest, &size);
    return std::string(reinterpret_cast<char*>(digest), size);
  }

 private:
  static void OnMessage(int is_sending, int, int content, const void* bytes, size_t size, SSL*, void* self) {
    if (is_sending != 0 || content != SSL3_RT_HEADER || size < 5) return;
    const auto* const header = static_cast<const unsigned char*>(bytes);
    size_t& longest = static_cast<TlsPeer*>(self)->longest_record_;
    if (header[0] == SSL3_RT_APPLICATION_DATA) {
      longest = std::max(longest, static_cast<size_t>(header[3]) << 8 | header[4]);
    }
  }

  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
  int fd_;
  bool is_connected_ = false;
  size_t longest_record_ = 0;
};

TlsPeer::Setup OnlyTls12(const char* cipher) {
  return [cipher](SSL_CTX* context) {
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context, cipher);
  };
}

class EdgeTlsTest : public EdgeTest {
 protected:
  void SetUp() override {
    char directory[] = "/tmp/fleetcast-tls-XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    directory_ = directory;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  void UseCertificate(const http::TestCertificate& certificate) {
    WriteFile(Path("tls.key"), ReadFile(certificate.key_file()));
    WriteFile(Path("tls.crt"), ReadFile(certificate.certificate_file()));
  }
  void StartReloadingEdge() {
    UseCertificate(certificate_);
    StartEdge([this](Config& config) {
      config.tls_cert_files = {Path("tls.crt")};
      config.tls_key_files = {Path("tls.key")};
      config.tls_reload_interval = absl::Milliseconds(20);
    });
  }
  bool IsResumed(int port, const Session& session) {
    TlsPeer peer(port, {}, session.get());
    EXPECT_TRUE(peer.is_connected());
    return peer.was_resumed();
  }

  std::string directory_;
};

TEST_F(EdgeTlsTest, DTls1NothingOlderThan12) {
  StartEdge();
  EXPECT_FALSE(TlsPeer(edge_->tls_port(), [](SSL_CTX* context) {
                 SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
                 SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
                 SSL_CTX_set_security_level(context, 0);
               }).is_connected());
  TlsPeer newest(edge_->tls_port());
  EXPECT_STREQ(SSL_get_version(newest.ssl()), "TLSv1.3");
}

TEST_F(EdgeTlsTest, DTls2SuitesOfTls12) {
  StartEdge();
  for (const char* cipher :
       {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}) {
    TlsPeer peer(edge_->tls_port(), OnlyTls12(cipher));
    ASSERT_TRUE(peer.is_connected()) << cipher;
    EXPECT_STREQ(SSL_get_cipher_name(peer.ssl()), cipher);
  }
  for (const char* cipher : {"ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256"}) {
    EXPECT_FALSE(TlsPeer(edge_->tls_port(), OnlyTls12(cipher)).is_connected()) << cipher;
  }
}

TEST_F(EdgeTlsTest, DTls2CbcSuitesOnDemand) {
  StartEdge([](Config& config) { config.tls_allow_cbc = true; });
  EXPECT_TRUE(TlsPeer(edge_->tls_port(), OnlyTls12("ECDHE-ECDSA-AES128-SHA256")).is_connected());
  EXPECT_TRUE(TlsPeer(edge_->tls_port(), OnlyTls12("ECDHE-ECDSA-AES256-SHA384")).is_connected());
  EXPECT_FALSE(TlsPeer(edge_->tls_port(), OnlyTls12("ECDHE-ECDSA-AES128-SHA")).is_connected());
}

TEST_F(EdgeTlsTest, DTls2Curves) {
  StartEdge();
  for (const char* group : {"X25519", "P-256", "P-384"}) {
    EXPECT_TRUE(
        TlsPeer(edge_->tls_port(), [&](SSL_CTX* context) { SSL_CTX_set1_groups_list(context, group); }).is_connected())
        << group;
  }
  EXPECT_FALSE(
      TlsPeer(edge_->tls_port(), [](SSL_CTX* context) { SSL_CTX_set1_groups_list(context, "P-521"); }).is_connected());
}

TEST_F(EdgeTlsTest, DTls3EachClientGetsTheChainThatItCanCheck) {
  const http::TestCertificate rsa(http::TestCertificate::Kind::kRsa);
  StartEdge([&](Config& config) {
    config.tls_cert_files.push_back(rsa.certificate_file());
    config.tls_key_files.push_back(rsa.key_file());
  });
  const auto type_for = [&](const char* algorithms) {
    TlsPeer peer(edge_->tls_port(), [&](SSL_CTX* context) { SSL_CTX_set1_sigalgs_list(context, algorithms); });
    EXPECT_TRUE(peer.is_connected()) << algorithms;
    return EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(peer.ssl())));
  };
  EXPECT_EQ(type_for("ECDSA+SHA256"), EVP_PKEY_EC);
  EXPECT_EQ(type_for("RSA-PSS+SHA256"), EVP_PKEY_RSA);
  EXPECT_TRUE(TlsPeer(edge_->tls_port(), OnlyTls12("ECDHE-RSA-AES128-GCM-SHA256")).is_connected());
}

TEST_F(EdgeTlsTest, DTls5TicketsHoldOnEveryEdgeThatHasTheKey) {
  const std::string first = TicketKeyLine();
  const std::string second = TicketKeyLine();
  WriteFile(Path("ticket.keys"), first);
  const auto use_keys = [this](Config& config) {
    config.tls_ticket_key_file = Path("ticket.keys");
    config.tls_reload_interval = absl::Milliseconds(20);
  };
  StartEdge(use_keys);
  const Session session = TlsPeer(edge_->tls_port()).TakeSession();
  edge_.reset();

  WriteFile(Path("ticket.keys"), "# rotated\n" + second + first);
  StartEdge(use_keys);  // Another process, as far as TLS can tell.
  EXPECT_TRUE(IsResumed(edge_->tls_port(), session));
  const Session renewed = TlsPeer(edge_->tls_port()).TakeSession();

  WriteFile(Path("ticket.keys"), second);  // Without a restart.
  ASSERT_TRUE(WaitFor([&] { return !IsResumed(edge_->tls_port(), session); }));
  EXPECT_TRUE(IsResumed(edge_->tls_port(), renewed));
  EXPECT_GE(Metric("fleetcast_edge_tls_reloads_total{result=\"taken\",what=\"ticket_keys\"}"), 1);

  WriteFile(Path("ticket.keys"), "no key\n");
  ASSERT_TRUE(WaitFor(
      [&] { return Metric("fleetcast_edge_tls_reloads_total{result=\"refused\",what=\"ticket_keys\"}") >= 1; }));
  EXPECT_TRUE(IsResumed(edge_->tls_port(), renewed));
}

TEST_F(EdgeTlsTest, DTls5TicketsOfTls12) {
  StartEdge();
  const Session session = TlsPeer(edge_->tls_port(), OnlyTls12("ECDHE-ECDSA-AES128-GCM-SHA256")).TakeSession();
  TlsPeer again(edge_->tls_port(), OnlyTls12("ECDHE-ECDSA-AES128-GCM-SHA256"), session.get());
  EXPECT_TRUE(again.was_resumed());
  EXPECT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_tls_resumptions_total") == 1; }));
}

TEST_F(EdgeTlsTest, DTls5WithoutAFileTicketsHoldForTheProcessAndNoLonger) {
  StartReloadingEdge();
  const Session session = TlsPeer(edge_->tls_port()).TakeSession();
  UseCertificate(http::TestCertificate());
  ASSERT_TRUE(
      WaitFor([&] { return Metric("fleetcast_edge_tls_reloads_total{result=\"taken\",what=\"certificate\"}") >= 1; }));
  EXPECT_TRUE(IsResumed(edge_->tls_port(), session));
  edge_.reset();
  StartReloadingEdge();
  EXPECT_FALSE(IsResumed(edge_->tls_port(), session));
}

TEST_F(EdgeTlsTest, DTls5NoEarlyData) {
  StartEdge();
  const Session session = TlsPeer(edge_->tls_port()).TakeSession();
  EXPECT_EQ(SSL_SESSION_has_ticket(session.get()), 1);
  EXPECT_EQ(SSL_SESSION_get_max_early_data(session.get()), 0u);
}

TEST_F(EdgeTlsTest, DTls6RecordsAreAsShortAsAsked) {
  StartEdge();
  TlsPeer peer(edge_->tls_port(), [](SSL_CTX* context) {
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_tlsext_max_fragment_length(context, TLSEXT_max_fragment_length_512);
  });
  ASSERT_TRUE(peer.is_connected());
  std::string bytes;
  mqtt::Connect connect;
  connect.client_id = "dev-1";
  connect.username = "hub.test.local/dev-1/?api-version=2021-04-12";
  connect.password = "x";
  mqtt::Encode(connect, &bytes);
  mqtt::Encode(mqtt::Subscribe{1, {{mqtt::kMethodsFilter, 0}}}, &bytes);
  ASSERT_TRUE(peer.Send(bytes));
  EXPECT_EQ(peer.Read(9), "\x20\x02\0\0\x90\x03\0\x01\0"s);
  hub_.Call("dev-1", 1, "big", "\"" + std::string(8000, 'x') + "\"");
  EXPECT_EQ(peer.Read(8000).size(), 8000u);
  EXPECT_GT(peer.longest_record(), 256u);
  EXPECT_LE(peer.longest_record(), 512u + 32u);  // And what encryption adds.
}

TEST_F(EdgeTlsTest, DTls7ASilentHandshakeEnds) {
  StartEdge([](Config& config) { config.handshake_timeout = absl::Seconds(1); });
  TestDevice silent(edge_->tls_port(), Mode::kPlain);
  EXPECT_TRUE(silent.WaitForClose());
  EXPECT_TRUE(WaitFor([&] { return Metric("fleetcast_edge_tls_failures_total") == 1; }));
}

TEST_F(EdgeTlsTest, DTls8AnyServerNameIsAccepted) {
  StartEdge();
  EXPECT_TRUE(TlsPeer(edge_->tls_port()).is_connected());  // None.
  EXPECT_TRUE(TestDevice(edge_->tls_port(), Mode::kTls).is_connected());
}

TEST_F(EdgeTlsTest, Q24RenegotiationIsRefused) {
  StartEdge();
  TlsPeer peer(edge_->tls_port(), OnlyTls12("ECDHE-ECDSA-AES128-GCM-SHA256"));
  ASSERT_TRUE(peer.is_connected());
  SSL_renegotiate(peer.ssl());
  EXPECT_NE(SSL_do_handshake(peer.ssl()), 1);
}

TEST_F(EdgeTlsTest, ANewCertificateIsTakenWithoutARestart) {
  StartReloadingEdge();
  TlsPeer old(edge_->tls_port());
  TestDevice device(edge_->tls_port(), Mode::kTls);
  ASSERT_TRUE(device.SendConnect("dev-1"));
  EXPECT_EQ(device.ReadPacket(), "\x20\x02\0\0"s);
  const http::TestCertificate renewed;
  UseCertificate(renewed);
  ASSERT_TRUE(WaitFor([&] { return TlsPeer(edge_->tls_port()).Fingerprint() != old.Fingerprint(); }));
  device.Send(mqtt::Pingreq{});  // Who is connected notices nothing.
  EXPECT_EQ(device.ReadPacket(), "\xd0\0"s);
  EXPECT_GT(Metric("fleetcast_edge_tls_certificate_expiry_timestamp_seconds"),
            absl::ToUnixSeconds(SystemClock().Now()));
}

TEST_F(EdgeTlsTest, ABrokenCertificateLeavesTheOldOneInUse) {
  StartReloadingEdge();
  const std::string before = TlsPeer(edge_->tls_port()).Fingerprint();
  const http::TestCertificate other;
  WriteFile(Path("tls.crt"), ReadFile(other.certificate_file()));  // Its key does not follow.
  ASSERT_TRUE(WaitFor(
      [&] { return Metric("fleetcast_edge_tls_reloads_total{result=\"refused\",what=\"certificate\"}") >= 1; }));
  EXPECT_EQ(TlsPeer(edge_->tls_port()).Fingerprint(), before);
  WriteFile(Path("tls.key"), ReadFile(other.key_file()));
  EXPECT_TRUE(WaitFor([&] { return TlsPeer(edge_->tls_port()).Fingerprint() != before; }));
}

TEST_F(EdgeTlsTest, FilesAreReadOnDemand) {
  UseCertificate(certificate_);
  StartEdge([this](Config& config) {
    config.tls_cert_files = {Path("tls.crt")};
    config.tls_key_files = {Path("tls.key")};
    config.tls_reload_interval = absl::ZeroDuration();
  });
  const std::string before = TlsPeer(edge_->tls_port()).Fingerprint();
  UseCertificate(http::TestCertificate());
  edge_->ReloadTls();
  EXPECT_NE(TlsPeer(edge_->tls_port()).Fingerprint(), before);
}

TEST(TicketKeysTest, ABadFileChangesNothing) {
  TicketKeys keys;
  const std::string line = TicketKeyLine();
  ASSERT_TRUE(keys.Load("\n# comment\n" + line).ok());
  const auto before = keys.Current();
  for (const std::string& text :
       {""s, "# nothing\n"s, "short\n"s, absl::Base64Escape("too short") + "\n", line + "?\n"}) {
    const absl::Status status = keys.Load(text);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(keys.Current(), before);
  }
  std::string many;
  for (size_t i = 0; i <= TicketKeys::kKeysMax; ++i) many += TicketKeyLine();
  EXPECT_FALSE(keys.Load(many).ok());
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
