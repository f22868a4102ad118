# Precompiled headers: what nearly every file includes, parsed once per build instead of once per file. They take 1.5 to
# 3 s of 3 to 9 s off each file (g++ 12, -O2). Four sets, each built by an empty object library and reused:
#
#   base   standard library, Abseil: what libs/base allows everybody anyway
#   grpc   base and gRPC: services, generated code, and libraries that say PCH grpc
#   test   base and GoogleTest; unoptimised in every configuration, as tests are
#   grpc_test   grpc and test
#
# Layers are not weakened: a set holds nothing that its users may not include, and scripts/check looks at the #include
# lines. The dev preset builds without, which proves that each file includes what it uses.
#
# g++ takes a precompiled header only under equal flags: hence one -fPIC and one -pthread for all targets. ccache needs
# to be told that equal contents are enough.

set(FLEETCAST_PCH_base
  <algorithm> <array> <atomic> <chrono> <condition_variable> <cstdint> <deque> <functional> <map> <memory> <mutex>
  <optional> <set> <stop_token> <string> <string_view> <thread> <utility> <variant> <vector>
  <absl/container/flat_hash_map.h> <absl/status/status.h> <absl/status/statusor.h> <absl/strings/str_cat.h>
  <absl/strings/str_join.h> <absl/strings/str_split.h> <absl/time/time.h>)
set(FLEETCAST_PCH_grpc ${FLEETCAST_PCH_base}
  <google/protobuf/duration.pb.h> <google/protobuf/map.h> <google/protobuf/message.h> <google/protobuf/timestamp.pb.h>
  <grpcpp/client_context.h> <grpcpp/server_context.h> <grpcpp/impl/codegen/async_stream.h>
  <grpcpp/support/client_callback.h> <grpcpp/support/server_callback.h>)
set(FLEETCAST_PCH_test ${FLEETCAST_PCH_base} <gmock/gmock.h> <gtest/gtest.h>)
set(FLEETCAST_PCH_grpc_test ${FLEETCAST_PCH_grpc} <gmock/gmock.h> <gtest/gtest.h>)

if(FLEETCAST_PCH)
  add_compile_options(-fPIC -pthread)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch/empty.cc CONTENT "")
  set(sets base grpc)
  if(FLEETCAST_TESTS)
    list(APPEND sets test grpc_test)
  endif()
  foreach(set ${sets})
    add_library(fleetcast_pch_${set} OBJECT ${CMAKE_BINARY_DIR}/pch/empty.cc)
    target_compile_features(fleetcast_pch_${set} PUBLIC cxx_std_20)
    target_precompile_headers(fleetcast_pch_${set} PRIVATE ${FLEETCAST_PCH_${set}})
  endforeach()
  foreach(set ${sets})
    if(set MATCHES grpc)
      target_link_libraries(fleetcast_pch_${set} PRIVATE gRPC::grpc++ protobuf::libprotobuf)
    endif()
    if(set MATCHES test)
      target_link_libraries(fleetcast_pch_${set} PRIVATE GTest::gmock)
      target_compile_options(fleetcast_pch_${set} PRIVATE "$<$<CONFIG:Release>:-O0;-U_FORTIFY_SOURCE>")
    endif()
  endforeach()
endif()

# Compiles the files of `target` with the headers of `set`.
function(fleetcast_use_precompiled_headers target set)
  target_precompile_headers(${target} REUSE_FROM fleetcast_pch_${set})
endfunction()
