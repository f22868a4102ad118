#include "libs/config/config.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/base/check.h"
#include "libs/base/strings.h"
#include "libs/config/version.h"

namespace fleetcast::config {
namespace {

constexpr char kMask[] = "***";

// Reads all of `path`, or says why not.
std::string ReadFile(const std::string& path, size_t bytes_max, std::string* content) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::StrCat("cannot read the file ", path);
  content->assign(bytes_max + 1, '\0');
  file.read(content->data(), static_cast<std::streamsize>(content->size()));
  if (file.bad()) return absl::StrCat("cannot read the file ", path);
  content->resize(static_cast<size_t>(file.gcount()));
  if (content->size() > bytes_max) return absl::StrCat("the file ", path, " is larger than ", bytes_max, " bytes");
  return "";
}

std::string StoreNumber(const std::string& text, int64_t min, int64_t max, int64_t* value) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(text, &number)) return "is not a whole number";
  if (number < min || number > max) return absl::StrCat("must be in ", min, "..", max);
  *value = number;
  return "";
}

std::string NumberForm(const NumberOptions& options) {
  return options.max == INT64_MAX ? absl::StrCat("NUMBER >= ", options.min)
                                  : absl::StrCat("NUMBER ", options.min, "..", options.max);
}

std::string StoreFlag(const std::string& text, bool* value) {
  const std::string lower = absl::AsciiStrToLower(text);
  if (lower != "true" && lower != "false" && lower != "1" && lower != "0") return "must be true or false";
  *value = lower == "true" || lower == "1";
  return "";
}

std::string StoreTime(const std::string& text, const TimeOptions& options, absl::Duration* value) {
  absl::Duration time;
  if (!absl::ParseDuration(text, &time)) return "is not a time with a unit, like 250ms, 30s or 5m";
  if (time < options.min || time > options.max) {
    return absl::StrCat("must be in ", absl::FormatDuration(options.min), "..", absl::FormatDuration(options.max));
  }
  *value = time;
  return "";
}

std::string StoreList(const std::string& text, const ListOptions& options, std::vector<std::string>* value) {
  std::vector<std::string> entries;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const absl::string_view entry = absl::StripAsciiWhitespace(part);
    if (!entry.empty()) entries.emplace_back(entry);
  }
  if (entries.size() > options.count_max) return absl::StrCat("has more than ", options.count_max, " entries");
  *value = std::move(entries);
  return "";
}

}  // namespace

Environment ProcessEnvironment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

std::string VariableName(std::string_view name) {
  return absl::StrCat("FLEETCAST_", absl::AsciiStrToUpper(absl::StrReplaceAll(Absl(name), {{"-", "_"}})));
}

Settings::Settings(std::string program, std::string summary)
    : program_(std::move(program)), summary_(std::move(summary)) {}

void Settings::Add(Setting setting) {
  FLEETCAST_CHECK(Find(setting.name) == nullptr);
  FLEETCAST_CHECK(setting.name != "help" && setting.name != "version" && setting.name != "print-config");
  settings_.push_back(std::move(setting));
}

Settings::Setting* Settings::Find(std::string_view name) {
  const auto found = std::find_if(settings_.begin(), settings_.end(), [&](const auto& s) { return s.name == name; });
  return found == settings_.end() ? nullptr : &*found;
}

void Settings::Text(std::string name, std::string* value, TextOptions options, std::string help) {
  const auto store = [value, options](const std::string& text) -> std::string {
    if (text.size() > options.bytes_max) return absl::StrCat("is longer than ", options.bytes_max, " bytes");
    const bool listed = std::find(options.one_of.begin(), options.one_of.end(), text) != options.one_of.end();
    if (!options.one_of.empty() && !listed) return absl::StrCat("must be one of ", absl::StrJoin(options.one_of, ", "));
    *value = text;
    return "";
  };
  Add({.name = std::move(name),
       .kind = Kind::kText,
       .form = options.one_of.empty() ? "TEXT" : absl::StrJoin(options.one_of, "|"),
       .help = std::move(help),
       .required = options.required,
       .secret = options.secret,
       .store = store,
       .show = [value] { return *value; }});
}

void Settings::Number(std::string name, int64_t* value, NumberOptions options, std::string help) {
  Add({.name = std::move(name),
       .kind = Kind::kNumber,
       .form = NumberForm(options),
       .help = std::move(help),
       .store = [=](const std::string& text) { return StoreNumber(text, options.min, options.max, value); },
       .show = [value] { return absl::StrCat(*value); }});
}

void Settings::Number(std::string name, int* value, NumberOptions options, std::string help) {
  options.min = std::max<int64_t>(options.min, INT_MIN);
  options.max = std::min<int64_t>(options.max, INT_MAX);
  const auto store = [value, options](const std::string& text) {
    int64_t number = *value;
    std::string mistake = StoreNumber(text, options.min, options.max, &number);
    *value = static_cast<int>(number);
    return mistake;
  };
  Add({.name = std::move(name),
       .kind = Kind::kNumber,
       .form = NumberForm(options),
       .help = std::move(help),
       .store = store,
       .show = [value] { return absl::StrCat(*value); }});
}

void Settings::Fraction(std::string name, double* value, double min, double max, std::string help) {
  const auto store = [value, min, max](const std::string& text) -> std::string {
    double number = 0;
    if (!absl::SimpleAtod(text, &number)) return "is not a number";
    if (!(number >= min && number <= max)) return absl::StrCat("must be in ", min, "..", max);  // NaN fails too.
    *value = number;
    return "";
  };
  Add({.name = std::move(name),
       .kind = Kind::kFraction,
       .form = absl::StrCat("NUMBER ", min, "..", max),
       .help = std::move(help),
       .store = store,
       .show = [value] { return absl::StrCat(*value); }});
}

void Settings::Flag(std::string name, bool* value, std::string help) {
  Add({.name = std::move(name),
       .kind = Kind::kFlag,
       .form = "true|false",
       .help = std::move(help),
       .store = [value](const std::string& text) { return StoreFlag(text, value); },
       .show = [value] { return std::string(*value ? "true" : "false"); }});
}

void Settings::Time(std::string name, absl::Duration* value, TimeOptions options, std::string help) {
  std::string form = absl::StrCat("TIME >= ", absl::FormatDuration(options.min));
  if (options.max != absl::InfiniteDuration()) {
    form = absl::StrCat("TIME ", absl::FormatDuration(options.min), "..", absl::FormatDuration(options.max));
  }
  Add({.name = std::move(name),
       .kind = Kind::kTime,
       .form = form,
       .help = std::move(help),
       .store = [=](const std::string& text) { return StoreTime(text, options, value); },
       .show = [value] { return absl::FormatDuration(*value); }});
}

void Settings::List(std::string name, std::vector<std::string>* value, ListOptions options, std::string help) {
  Add({.name = std::move(name),
       .kind = Kind::kList,
       .form = "A,B,…",
       .help = std::move(help),
       .required = options.required,
       .store = [=](const std::string& text) { return StoreList(text, options, value); },
       .show = [value] { return absl::StrJoin(*value, ","); }});
}

void Settings::File(std::string name, std::string* path, FileOptions options, std::string help) {
  const auto store = [path, options](const std::string& text) {
    std::string content;
    *path = text;
    return ReadFile(text, options.bytes_max, &content);
  };
  Add({.name = std::move(name),
       .kind = Kind::kFile,
       .form = "PATH",
       .help = std::move(help),
       .required = options.required,
       .store = store,
       .show = [path] { return *path; }});
}

void Settings::SecretFile(std::string name, std::string* secret, FileOptions options, std::string help) {
  auto path = std::make_shared<std::string>();
  const auto store = [secret, path, options](const std::string& text) {
    *path = text;
    std::string mistake = ReadFile(text, options.bytes_max, secret);
    while (!secret->empty() && (secret->back() == '\n' || secret->back() == '\r')) secret->pop_back();
    if (mistake.empty() && secret->empty()) mistake = absl::StrCat("the file ", text, " is empty");
    return mistake;
  };
  Add({.name = std::move(name),
       .kind = Kind::kSecretFile,
       .form = "PATH",
       .help = std::move(help),
       .required = options.required,
       .store = store,
       .show = [path] { return *path; }});
}

void Settings::Rule(std::function<std::string()> rule) { rules_.push_back(std::move(rule)); }

void Settings::ReadArguments(const std::vector<std::string>& arguments, std::vector<std::string>* mistakes) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument.size() < 3 || argument.compare(0, 2, "--") != 0) {
      mistakes->push_back(absl::StrCat("'", argument, "' is not a flag; flags look like --name VALUE or --name=VALUE"));
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    if (name == "help") help_ = true;
    if (name == "version") version_ = true;
    if (name == "print-config") print_ = true;
    if (name == "help" || name == "version" || name == "print-config") continue;

    Setting* setting = Find(name);
    const bool next_is_value = i + 1 < arguments.size() && arguments[i + 1].compare(0, 2, "--") != 0;
    std::optional<std::string> value;
    if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (setting != nullptr && setting->kind == Kind::kFlag) {
      value = "true";
    } else if (next_is_value) {
      value = arguments[++i];
    }
    if (setting == nullptr) {
      mistakes->push_back(absl::StrCat("--", name, " is unknown; --help lists the flags of ", program_));
    } else if (!value.has_value()) {
      mistakes->push_back(absl::StrCat("--", name, " needs a value: ", setting->form));
    } else if (!setting->given.empty() && setting->kind != Kind::kList) {
      mistakes->push_back(absl::StrCat("--", name, " is given twice; give it once"));
    } else {
      setting->given.push_back(*std::move(value));
    }
  }
}

void Settings::ReadSetting(Setting& setting, const Environment& environment, std::vector<std::string>* mistakes) {
  const std::string variable = VariableName(setting.name);
  std::optional<std::string> text;
  std::string source = absl::StrCat("--", setting.name);
  if (!setting.given.empty()) {
    text = absl::StrJoin(setting.given, ",");
  } else {
    text = environment(variable);
    if (text.has_value() && text->empty()) text.reset();
    source = variable;
  }
  if (text.has_value()) {
    const std::string mistake = setting.store(*text);
    const std::string shown = setting.secret ? kMask : absl::StrCat("'", text->substr(0, 100), "'");
    if (!mistake.empty()) mistakes->push_back(absl::StrCat(source, "=", shown, " ", mistake));
  }
  if (setting.required && setting.show().empty()) {
    mistakes->push_back(absl::StrCat("--", setting.name, " is required: ", setting.help, "; give --", setting.name,
                                     " or set ", variable));
  }
}

ParseResult Settings::Parse(const std::vector<std::string>& arguments, const Environment& environment) {
  std::vector<std::string> mistakes;
  ReadArguments(arguments, &mistakes);
  if (help_) return {.out = Help()};
  if (version_) return {.out = absl::StrCat(program_, " ", Absl(Version()), "\n")};

  for (Setting& setting : settings_) ReadSetting(setting, environment, &mistakes);
  // Rules compare good values only; with a mistake among them they would only repeat it in other words.
  if (mistakes.empty()) {
    for (const std::function<std::string()>& rule : rules_) {
      std::string mistake = rule();
      if (!mistake.empty()) mistakes.push_back(std::move(mistake));
    }
  }
  if (!mistakes.empty()) {
    return {.exit_code = kExitBadConfig,
            .err = absl::StrCat(program_, ": the configuration has ", mistakes.size(),
                                mistakes.size() == 1 ? " mistake:\n  " : " mistakes:\n  ",
                                absl::StrJoin(mistakes, "\n  "), "\nTry ", program_, " --help.\n")};
  }
  if (print_) return {.out = Print()};
  return {.run = true};
}

std::string Settings::Help() const {
  std::string text = absl::StrCat(program_, ": ", summary_, "\n\nUsage: ", program_,
                                  " [--name VALUE | --name=VALUE]…\n"
                                  "Each flag can be given as the variable named beside it; the flag wins.\n\n");
  for (const Setting& setting : settings_) {
    const std::string value = setting.secret ? "" : setting.show();
    absl::StrAppend(&text, "  --", setting.name, " ", setting.form, "   ", VariableName(setting.name), "\n      ",
                    setting.help, setting.required ? " (required)" : "",
                    value.empty() ? "" : absl::StrCat(" (default ", value, ")"), "\n");
  }
  absl::StrAppend(&text,
                  "  --help          Print this and exit.\n"
                  "  --version       Print the version and exit.\n"
                  "  --print-config  Print the values in force, secrets masked, and exit.\n");
  return text;
}

std::string Settings::Print() const {
  std::string text;
  for (const Setting& setting : settings_) {
    const std::string value = setting.show();
    absl::StrAppend(&text, setting.name, "=", setting.secret && !value.empty() ? kMask : value, "\n");
  }
  return text;
}

}  // namespace fleetcast::config
