// Reductions of NCCL on host memory, in the order of the ranks; half precision is summed in float and rounded once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace nccl {

// ncclDataType_t
enum Type { INT8, UINT8, INT32, UINT32, INT64, UINT64, FLOAT16, FLOAT32, FLOAT64, BFLOAT16, FLOAT8_E4M3, FLOAT8_E5M2 };
// ncclRedOp_t; what ncclRedOpCreatePreMulSum makes comes after these.
enum Reduction { SUM, PRODUCT, MAXIMUM, MINIMUM, AVERAGE, CREATED };

inline size_t bytes_of(int type) {
  static const size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1};
  return type >= 0 && type <= FLOAT8_E5M2 ? sizes[type] : 0;
}

struct Half {
  uint16_t bits;
  operator float() const {
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
    float value;
    if (exponent == 0) value = (float)fraction * 0x1p-24f;
    else {
      uint32_t wide = (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
      memcpy(&value, &wide, 4);
    }
    return sign ? -value : value;
  }
  static Half of(float value) {
    uint32_t wide;
    memcpy(&wide, &value, 4);
    uint16_t sign = wide >> 16 & 0x8000;
    wide &= 0x7fffffff;
    if (wide > 0x7f800000) return {(uint16_t)(sign | 0x7e00)};
    if (wide >= 0x477ff000) return {(uint16_t)(sign | 0x7c00)};  // rounds to infinity
    if (wide < 0x38800000) {  // subnormal: the addition rounds to a multiple of 2**-24
      float magnitude;
      memcpy(&magnitude, &wide, 4);
      magnitude += 0.5f;
      memcpy(&wide, &magnitude, 4);
      return {(uint16_t)(sign | (wide - 0x3f000000))};
    }
    wide += 0xfff + (wide >> 13 & 1);
    return {(uint16_t)(sign | (wide - 0x38000000) >> 13)};
  }
};

struct BFloat {
  uint16_t bits;
  operator float() const {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
  }
  static BFloat of(float value) {
    uint32_t wide;
    memcpy(&wide, &value, 4);
    if ((wide & 0x7fffffff) > 0x7f800000) return {(uint16_t)(wide >> 16 | 0x40)};
    return {(uint16_t)((wide + 0x7fff + (wide >> 16 & 1)) >> 16)};
  }
};

template <typename T> T narrowed(T value, T*) { return value; }
inline Half narrowed(float value, Half*) { return Half::of(value); }
inline BFloat narrowed(float value, BFloat*) { return BFloat::of(value); }

template <typename T, typename Wide>
void reduce_as(const std::vector<const char*>& parts, char* into, size_t count, int reduction, double factor) {
  for (size_t index = 0; index < count; index++) {
    Wide result = 0;
    for (size_t rank = 0; rank < parts.size(); rank++) {
      T narrow;
      memcpy(&narrow, parts[rank] + index * sizeof(T), sizeof(T));
      Wide value = (Wide)narrow;
      if (reduction >= CREATED) value = (Wide)(value * factor);
      if (rank == 0) result = value;
      else if (reduction == PRODUCT) result = (Wide)(result * value);
      else if (reduction == MAXIMUM) result = value > result || value != value ? value : result;
      else if (reduction == MINIMUM) result = value < result || value != value ? value : result;
      else result = (Wide)(result + value);
    }
    if (reduction == AVERAGE) result = (Wide)(result / (Wide)parts.size());
    T narrow = narrowed(result, (T*)nullptr);
    memcpy(into + index * sizeof(T), &narrow, sizeof(T));
  }
}

// Returns whether values of this type can be reduced.
inline bool reduce(const std::vector<const char*>& parts, char* into, size_t count, int type, int reduction, double factor) {
  switch (type) {
    case INT8: reduce_as<int8_t, int8_t>(parts, into, count, reduction, factor); return true;
    case UINT8: reduce_as<uint8_t, uint8_t>(parts, into, count, reduction, factor); return true;
    case INT32: reduce_as<int32_t, int32_t>(parts, into, count, reduction, factor); return true;
    case UINT32: reduce_as<uint32_t, uint32_t>(parts, into, count, reduction, factor); return true;
    case INT64: reduce_as<int64_t, int64_t>(parts, into, count, reduction, factor); return true;
    case UINT64: reduce_as<uint64_t, uint64_t>(parts, into, count, reduction, factor); return true;
    case FLOAT16: reduce_as<Half, float>(parts, into, count, reduction, factor); return true;
    case FLOAT32: reduce_as<float, float>(parts, into, count, reduction, factor); return true;
    case FLOAT64: reduce_as<double, double>(parts, into, count, reduction, factor); return true;
    case BFLOAT16: reduce_as<BFloat, float>(parts, into, count, reduction, factor); return true;
    default: return false;
  }
}

inline double value_of(const void* scalar, int type) {
  Half half;
  BFloat bfloat;
  float single;
  double wide;
  switch (type) {
    case FLOAT16: memcpy(&half, scalar, 2); return half;
    case BFLOAT16: memcpy(&bfloat, scalar, 2); return bfloat;
    case FLOAT32: memcpy(&single, scalar, 4); return single;
    case FLOAT64: memcpy(&wide, scalar, 8); return wide;
    case INT32: { int32_t value; memcpy(&value, scalar, 4); return value; }
    case INT64: { int64_t value; memcpy(&value, scalar, 8); return (double)value; }
    default: return 1;
  }
}

}  // namespace nccl
