# The vocabulary of our build files. Each build file is then a list: what a target is made of and what it may use.
#
#   fleetcast_library(NAME SRCS … DEPS … [PRIVATE_DEPS …])   static library fleetcast_<NAME>, alias fleetcast::<NAME>;
#                                                             PCH grpc when most of its files include gRPC
#   fleetcast_service(NAME SRCS … DEPS …)                     executable bin/fleetcast-<name> over library <NAME>_core
#   fleetcast_test(NAME SRCS … DEPS … [LABEL unit])           GoogleTest program, registered with ctest as one test;
#                                                             PCH grpc_test when most of its files include gRPC
#   fleetcast_test_suite(NAME SRCS … DEPS …)                  tests that several fleetcast_test run: fleetcast::<NAME>
#   fleetcast_fuzz(NAME [SRCS …] DEPS …)                      tests/fuzz/<NAME>_fuzz.cc: a test that replays corpus/<NAME>,
#                                                             or, with FLEETCAST_FUZZ, the fuzzer bin/fuzz_<NAME>
#   fleetcast_bench(NAME SRCS … DEPS …)                       Google Benchmark program bin/<NAME>
#   fleetcast_proto(NAME FILES … [DEPS …] [ROOT dir])         library of generated messages and gRPC stubs; files and
#                                                             their imports are named from ROOT (default: proto/)
#
# A target sees only the libraries it names: that, and scripts/check, keep the arrows pointing down.

# Precompiled headers (option FLEETCAST_PCH): cmake/PrecompiledHeaders.cmake. `pch` is one of its sets. Batches (option
# FLEETCAST_UNITY): cmake/UnityBuild.cmake.
function(_fleetcast_common target pch)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_options(${target} PRIVATE ${FLEETCAST_WARNINGS})
  if(FLEETCAST_PCH)
    fleetcast_use_precompiled_headers(${target} ${pch})
  endif()
  if(FLEETCAST_UNITY)
    fleetcast_use_unity(${target})
  endif()
endfunction()

# What is tested is optimised; the tests themselves need not be, and compile in half the time.
function(_fleetcast_unoptimised target)
  target_compile_options(${target} PRIVATE "$<$<CONFIG:Release>:-O0;-U_FORTIFY_SOURCE>")
endfunction()

function(fleetcast_library name)
  cmake_parse_arguments(A "" "PCH" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  if(NOT A_PCH)
    set(A_PCH base)
  endif()
  if(A_SRCS)
    add_library(fleetcast_${name} STATIC ${A_SRCS})
    _fleetcast_common(fleetcast_${name} ${A_PCH})
    target_link_libraries(fleetcast_${name} PUBLIC ${A_DEPS} PRIVATE ${A_PRIVATE_DEPS})
  else()
    add_library(fleetcast_${name} INTERFACE)
    target_compile_features(fleetcast_${name} INTERFACE cxx_std_20)
    target_include_directories(fleetcast_${name} INTERFACE ${PROJECT_SOURCE_DIR})
    target_link_libraries(fleetcast_${name} INTERFACE ${A_DEPS})
  endif()
  add_library(fleetcast::${name} ALIAS fleetcast_${name})
endfunction()

# A program `bin/<OUTPUT>`.
function(fleetcast_program name)
  cmake_parse_arguments(A "" "OUTPUT;PCH" "SRCS;DEPS" ${ARGN})
  if(NOT A_PCH)
    set(A_PCH base)
  endif()
  add_executable(${name} ${A_SRCS})
  _fleetcast_common(${name} ${A_PCH})
  target_link_libraries(${name} PRIVATE ${A_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  if(A_OUTPUT)
    set_target_properties(${name} PROPERTIES OUTPUT_NAME ${A_OUTPUT})
  endif()
endfunction()

# A service: everything but main.cc in a library, so that tests link what the process runs.
function(fleetcast_service name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  fleetcast_library(${name}_core PCH grpc SRCS ${A_SRCS} DEPS ${A_DEPS})
  string(REPLACE "_" "-" dashed ${name})
  fleetcast_program(fleetcast_service_${name} PCH grpc OUTPUT fleetcast-${dashed} SRCS main.cc
                    DEPS fleetcast::${name}_core)
endfunction()

function(fleetcast_test name)
  cmake_parse_arguments(A "" "LABEL;PCH;TIMEOUT" "SRCS;DEPS" ${ARGN})
  if(NOT FLEETCAST_TESTS)
    return()
  endif()
  if(NOT A_LABEL)
    set(A_LABEL unit)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 300)
  endif()
  if(FLEETCAST_SANITIZE)  # Everything takes several times as long.
    math(EXPR A_TIMEOUT "5 * ${A_TIMEOUT}")
  endif()
  if(NOT A_PCH)
    set(A_PCH test)
  endif()
  fleetcast_program(${name} PCH ${A_PCH} SRCS ${A_SRCS} DEPS ${A_DEPS} GTest::gmock_main)
  _fleetcast_unoptimised(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS ${A_LABEL} TIMEOUT ${A_TIMEOUT})
endfunction()

# Tests that several programs run, compiled once; a program links them by naming fleetcast::<NAME>.
function(fleetcast_test_suite name)
  cmake_parse_arguments(A "" "PCH" "SRCS;DEPS" ${ARGN})
  if(NOT FLEETCAST_TESTS)
    return()
  endif()
  if(NOT A_PCH)
    set(A_PCH test)
  endif()
  add_library(fleetcast_${name} OBJECT ${A_SRCS})
  _fleetcast_common(fleetcast_${name} ${A_PCH})
  _fleetcast_unoptimised(fleetcast_${name})
  target_link_libraries(fleetcast_${name} PUBLIC ${A_DEPS} GTest::gmock)
  add_library(fleetcast::${name} ALIAS fleetcast_${name})
endfunction()

function(fleetcast_fuzz name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  if(FLEETCAST_FUZZ)
    fleetcast_program(fuzz_${name} SRCS ${name}_fuzz.cc ${A_SRCS} DEPS ${A_DEPS})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  elseif(FLEETCAST_TESTS)
    fleetcast_test(fuzz_${name}_test SRCS ${name}_fuzz.cc ${A_SRCS} replay_test.cc DEPS ${A_DEPS})
    target_compile_definitions(fuzz_${name}_test PRIVATE FLEETCAST_FUZZ_CORPUS="tests/fuzz/corpus/${name}")
  endif()
endfunction()

function(fleetcast_bench name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  if(NOT FLEETCAST_TESTS)
    return()
  endif()
  fleetcast_program(${name} SRCS ${A_SRCS} DEPS ${A_DEPS} benchmark::benchmark_main)
endfunction()

function(fleetcast_proto name)
  cmake_parse_arguments(A "" "ROOT" "FILES;DEPS" ${ARGN})
  if(NOT A_ROOT)
    set(A_ROOT ${PROJECT_SOURCE_DIR}/proto)
  endif()
  set(generated ${CMAKE_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${generated})
  set(sources)
  foreach(file ${A_FILES})
    string(REGEX REPLACE "\\.proto$" "" stem ${file})
    set(outputs ${generated}/${stem}.pb.cc ${generated}/${stem}.pb.h
                ${generated}/${stem}.grpc.pb.cc ${generated}/${stem}.grpc.pb.h)
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND protobuf::protoc --proto_path=${A_ROOT} --cpp_out=${generated}
              --grpc_out=${generated} --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>
              ${A_ROOT}/${file}
      DEPENDS ${A_ROOT}/${file}
      COMMENT "Generating ${stem}" VERBATIM)
    list(APPEND sources ${generated}/${stem}.pb.cc ${generated}/${stem}.grpc.pb.cc)
  endforeach()
  add_library(fleetcast_${name} STATIC ${sources})
  if(FLEETCAST_PCH)
    fleetcast_use_precompiled_headers(fleetcast_${name} grpc)
  endif()
  if(FLEETCAST_UNITY)
    fleetcast_use_unity_of_protos(fleetcast_${name})
  endif()
  target_compile_features(fleetcast_${name} PUBLIC cxx_std_20)
  target_include_directories(fleetcast_${name} SYSTEM PUBLIC ${generated})
  target_link_libraries(fleetcast_${name} PUBLIC gRPC::grpc++ protobuf::libprotobuf ${A_DEPS})
  add_library(fleetcast::${name} ALIAS fleetcast_${name})
endfunction()
