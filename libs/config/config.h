// Configuration of a process: each setting is declared once, with its bounds and its help.
//
//   struct Config {
//     std::vector<std::string> device_connection;
//     int64_t inflight_max = 5000;                      // The initial value is the default.
//     absl::Duration grace = absl::Seconds(5);
//
//     void Declare(config::Settings& settings) {
//       settings.List("device-connection", &device_connection, {.required = true}, "Addresses, host:port");
//       settings.Number("inflight-max", &inflight_max, {.min = 1, .max = 100'000}, "Calls that may be open at once");
//       settings.Time("grace", &grace, {.min = absl::ZeroDuration(), .max = absl::Minutes(1)}, "Wait for …");
//     }
//   };
//
// The declaration is the flag `--inflight-max 100` (or `--inflight-max=100`), the variable
// FLEETCAST_INFLIGHT_MAX=100, a line of `--help` and a line of `--print-config`. The flag beats the variable, the
// variable beats the default; an empty variable counts as absent. All mistakes are reported together, and the process
// exits with code 78 (EX_CONFIG). This is the only library that reads the environment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace fleetcast::config {

// What a process exits with when its configuration is wrong (EX_CONFIG of sysexits.h).
inline constexpr int kExitBadConfig = 78;

// Looks up a variable; nullopt when it is not set.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

// The environment of this process.
Environment ProcessEnvironment();

struct TextOptions {
  bool required = false;                 // Must end up non-empty.
  bool secret = false;                   // Shown as *** by --print-config (connection strings, keys).
  size_t bytes_max = 4096;               // Longer values are refused.
  std::vector<std::string> one_of = {};  // If not empty: the only accepted values.
};

struct NumberOptions {
  int64_t min = 0;
  int64_t max = INT64_MAX;
};

struct TimeOptions {
  absl::Duration min = absl::ZeroDuration();
  absl::Duration max = absl::InfiniteDuration();
};

struct ListOptions {
  bool required = false;   // At least one entry.
  size_t count_max = 256;  // More entries are refused.
};

struct FileOptions {
  bool required = false;
  size_t bytes_max = 1 << 20;  // A larger file is refused.
};

// How the process goes on after Settings::Parse.
struct ParseResult {
  bool run = false;      // True: all values are set and good. False: print, then exit with exit_code.
  int exit_code = 0;     // 0 after --help, --version and --print-config; kExitBadConfig after mistakes.
  std::string out = {};  // For standard output.
  std::string err = {};  // For standard error.
};

// The settings of one process. Not thread-safe: declare, parse once, drop. Names are kebab-case without dashes in
// front, unique per process, and not `help`, `version` or `print-config`. The pointed-to variables must outlive Parse
// and hold the defaults when they are declared.
class Settings {
 public:
  // `program` is the name of the binary, `summary` one line that says what it does.
  Settings(std::string program, std::string summary);

  // A text.
  void Text(std::string name, std::string* value, TextOptions options, std::string help);
  // A whole number in [min, max], decimal.
  void Number(std::string name, int64_t* value, NumberOptions options, std::string help);
  // Same for an int; the bounds are clamped to int's.
  void Number(std::string name, int* value, NumberOptions options, std::string help);
  // A fraction in [min, max], for shares and rates.
  void Fraction(std::string name, double* value, double min, double max, std::string help);
  // true or false; `--name` alone means true.
  void Flag(std::string name, bool* value, std::string help);
  // A span of time with a unit: 250ms, 30s, 5m, 1h30m; 0 needs none.
  void Time(std::string name, absl::Duration* value, TimeOptions options, std::string help);
  // Texts separated by commas; a repeated flag adds to the list. Blanks around entries and empty entries vanish.
  void List(std::string name, std::vector<std::string>* value, ListOptions options, std::string help);
  // The path of a file that must be readable and not larger than allowed. The path is the value.
  void File(std::string name, std::string* path, FileOptions options, std::string help);
  // The path of a file that holds a secret; `secret` gets the content without trailing line breaks. Only the path is
  // ever shown.
  void SecretFile(std::string name, std::string* secret, FileOptions options, std::string help);

  // A rule over several settings, asked after all values are set. It returns what is wrong and what to do about it, or
  // an empty text. Its answer is reported together with the other mistakes.
  void Rule(std::function<std::string()> rule);

  // Reads the command line (without the program's name) and the environment into the declared variables.
  ParseResult Parse(const std::vector<std::string>& arguments, const Environment& environment);

 private:
  enum class Kind { kText, kNumber, kFraction, kFlag, kTime, kList, kFile, kSecretFile };

  // Stores a value given as text; returns what is wrong with it, or an empty text.
  using Store = std::function<std::string(const std::string& text)>;

  struct Setting {
    std::string name = {};
    Kind kind = Kind::kText;
    std::string form = {};  // For --help: the shape of a value, for instance "NUMBER 1..100".
    std::string help = {};
    bool required = false;
    bool secret = false;
    Store store = {};
    std::function<std::string()> show = {};  // The current value as text; secrets are masked by the caller.
    std::vector<std::string> given = {};     // From the command line, in order.
  };

  void Add(Setting setting);
  Setting* Find(std::string_view name);
  void ReadArguments(const std::vector<std::string>& arguments, std::vector<std::string>* mistakes);
  void ReadSetting(Setting& setting, const Environment& environment, std::vector<std::string>* mistakes);
  std::string Help() const;
  std::string Print() const;

  const std::string program_;
  const std::string summary_;
  std::vector<Setting> settings_;
  std::vector<std::function<std::string()>> rules_;
  bool help_ = false;
  bool version_ = false;
  bool print_ = false;
};

// FLEETCAST_<NAME>: the variable that stands for the flag --name.
std::string VariableName(std::string_view name);

}  // namespace fleetcast::config
