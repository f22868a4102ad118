// For tests only: a client that sends exactly the bytes it is told to, and a certificate for the server.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace fleetcast::http {

// A self-signed certificate for localhost and 127.0.0.1, with its key, in files that vanish with the object.
class TestCertificate {
 public:
  enum class Kind { kEcdsa, kRsa };  // P-256, 2,048 bits.

  explicit TestCertificate(Kind kind = Kind::kEcdsa);
  ~TestCertificate();
  TestCertificate(const TestCertificate&) = delete;
  TestCertificate& operator=(const TestCertificate&) = delete;

  const std::string& certificate_file() const { return certificate_file_; }
  const std::string& key_file() const { return key_file_; }

 private:
  std::string certificate_file_;
  std::string key_file_;
};

struct TestResponse {
  int status = 0;
  std::multimap<std::string, std::string> headers;  // Names in lower case.
  std::string body;

  // The header's value; empty when it is absent. `name` in lower case.
  std::string Header(const std::string& name) const;
};

// One connection to 127.0.0.1. Blocking, with a limit of 20 s on each step.
class TestClient {
 public:
  enum class Mode { kPlain, kTls };

  TestClient(uint16_t port, Mode mode);
  ~TestClient();

  // False when the TCP connection or the TLS handshake failed.
  bool is_connected() const { return is_connected_; }

  // The server's certificate, PEM; empty in plain text.
  std::string ServerCertificate() const;

  // Writes all of `bytes`; false when the server has closed.
  bool Send(std::string_view bytes);

  // Reads one response, by its Content-Length; nothing when the server closed or was silent.
  std::optional<TestResponse> Read();

  // Waits until the server closes; false when it sends or stays silent for 20 s.
  bool WaitForClose();

  // A request with Host and, unless empty, `headers` (each line ended by CRLF) and a body with its length.
  std::optional<TestResponse> Ask(std::string_view method, std::string_view target, std::string_view headers = "",
                                  std::string_view body = "");

 private:
  struct Tls;

  // Appends what comes to buffered_; false at the end.
  bool Receive();

  int socket_ = -1;
  std::unique_ptr<Tls> tls_;
  bool is_connected_ = false;
  std::string buffered_;
};

}  // namespace fleetcast::http
