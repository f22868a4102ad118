# Unity builds: a target's files are compiled a few at a time, so that the headers that they share (Abseil, GoogleTest, our
# own, and the templates that these instantiate) are read once per batch.
#
# Measured (g++ 12, -O2, with precompiled headers): the 11 files of method_dispatch_core take 24.1 s of CPU one by one, 15.8
# in batches of 4, 13.4 of 6, 13.6 of 8; the 15 of query 21.3, 12.6, 12.3 and 11.1. Six, because whoever touches a file
# waits for its batch, 7 s at most in both. A cold build of everything took 1,440 s of CPU and takes 927.
#
# What follows from it:
#   - The files of one target share their unnamed namespaces: names of helpers are distinct within a target, and constants
#     with one meaning live in one header.
#   - Each file still includes what it uses: the dev preset, which is without, proves it.
#   - `-DFLEETCAST_UNITY_BATCH=0` compiles a target as one file: what passes so passes in any batches. Files that come and go
#     move the limits of the batches, so try it after adding many.
#   - A file whose source properties say how it is compiled (COMPILE_OPTIONS, COMPILE_DEFINITIONS) is compiled alone: CMake
#     sees to that (libs/http/connection.cc, libs/config/version.cc). Another one would need SKIP_UNITY_BUILD_INCLUSION.
#   - compile_commands.json of a unity build lists batches; editors want that of build/dev.

set(FLEETCAST_UNITY_BATCH 6 CACHE STRING "Files in a batch of FLEETCAST_UNITY; 0: all of a target")

# Compiles the files of `target` in batches.
function(fleetcast_use_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${FLEETCAST_UNITY_BATCH})
  # What a .cc file keeps to itself looks to g++ as if a header leaked it; dev, where headers are headers, has the warning.
  target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
endfunction()

# The generated files of each proto, x.pb.cc and x.grpc.pb.cc, together; two x.pb.cc define the same names.
function(fleetcast_use_unity_of_protos target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  get_target_property(sources ${target} SOURCES)
  foreach(source ${sources})
    string(REGEX REPLACE "(\\.grpc)?\\.pb\\.cc$" "" stem ${source})
    get_filename_component(stem ${stem} NAME)
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${stem})
  endforeach()
endfunction()
