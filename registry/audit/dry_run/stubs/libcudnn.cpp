// libcudnn: finds one algorithm without a work space for everything; executing a plan is one launch. Descriptors keep what
// PyTorch reads back.
#include "device.h"
#include <cstring>

namespace {

struct Descriptor {
  int kind;
};

struct Tensor {
  int type, number, sizes[8], strides[8];
};

enum Cell { RELU, TANH, LSTM, GRU };

// A recurrent network. Its weights: for each layer and direction, the matrices for the input and then those for the hidden state,
// then the projection; behind those of all layers, the biases in the same order.
struct Network {
  int cell, both, type, inputs, hidden, projected, layers;

  int directions() const { return both ? 2 : 1; }
  int gates() const { return cell == LSTM ? 4 : cell == GRU ? 3 : 1; }
  int matrices() const { return 2 * gates() + (projects() ? 1 : 0); }
  bool projects() const { return cell == LSTM && projected != hidden; }
  int output() const { return projects() ? projected : hidden; }
  int rows(int matrix) const { return matrix == 2 * gates() ? projected : hidden; }
  int columns(int layer, int matrix) const {
    if (matrix == 2 * gates()) return hidden;
    if (matrix >= gates()) return output();
    return layer < directions() ? inputs : output() * directions();
  }
  size_t element() const { return type == 1 ? 8 : type == 0 ? 4 : 2; }
  size_t before(int layer, int matrix) const {  // elements in front of a matrix
    size_t sum = 0;
    for (int each = 0; each < layer; each++) sum += within(each, matrices());
    return sum + within(layer, matrix);
  }
  size_t within(int layer, int matrix) const {
    size_t sum = 0;
    for (int each = 0; each < matrix; each++) sum += (size_t)rows(each) * columns(layer, each);
    return sum;
  }
  size_t biases() const { return (size_t)2 * gates() * hidden; }
  size_t weights() const { return before(layers * directions(), 0); }
};

// A result of cudnnGet...Algorithm_v7 and cudnnFind...AlgorithmEx, all three directions: algorithm, status, time, memory,
// determinism, type of mathematics, three reserved integers.
struct Performance {
  int algorithm, status;
  float milliseconds;
  size_t bytes;
  int determinism, mathematics, reserved[3];
};

enum { TYPE_INT64 = 3, TYPE_DESCRIPTOR = 15, TYPE_INT32 = 23 };

int one(int* number, Performance* found) {
  *number = 1;
  memset(found, 0, sizeof *found);
  return 0;
}

int nothing(size_t* bytes) {
  *bytes = 0;
  return 0;
}

int launched() {
  syncfree_note(LAUNCH, nullptr, nullptr, 0);
  return 0;
}

}  // namespace

EXPORT size_t cudnnGetVersion() { return CUDNN_VERSION; }
EXPORT int cudnnGetProperty(int part, int* value) {
  const int parts[] = {CUDNN_VERSION / 10000, CUDNN_VERSION / 100 % 100, CUDNN_VERSION % 100};
  if (part < 0 || part > 2) return 1;
  *value = parts[part];
  return 0;
}
EXPORT size_t cudnnGetCudartVersion() { return CUDA_MAJOR * 1000; }
EXPORT const char* cudnnGetErrorString(int) { return "an error of the dry-run device"; }
EXPORT void cudnnGetLastErrorString(char* text, size_t length) { if (length) text[0] = 0; }

// PyTorch 2.9's frontend of cuDNN takes a null handle for one that nobody set.
EXPORT int cudnnCreate(void** into) { static char library; *into = &library; return 0; }

EXPORT int cudnnBackendCreateDescriptor(int kind, void** into) { *into = new Descriptor{kind}; return 0; }
EXPORT int cudnnBackendDestroyDescriptor(void* descriptor) { delete (Descriptor*)descriptor; return 0; }
// Engine configurations of a heuristic, and engines of a configuration: one. Numbers, as the shared memory and the work space of a
// configuration, which must not stay what they are: 0. No notes, no knobs.
EXPORT int cudnnBackendGetAttribute(void*, int, int type, long requested, long* number, void* values) {
  size_t bytes = type == TYPE_INT64 ? sizeof(long) : type == TYPE_INT32 ? sizeof(int) : 0;
  if (number) *number = type == TYPE_DESCRIPTOR || (bytes && requested > 0) ? 1 : 0;
  if (bytes && requested > 0 && values) memset(values, 0, bytes);
  return 0;
}
EXPORT int cudnnBackendExecute(void*, void*, void*) { return launched(); }

EXPORT int cudnnGetConvolutionForwardAlgorithm_v7(void*, void*, void*, void*, void*, int, int* number, Performance* found) { return one(number, found); }
EXPORT int cudnnGetConvolutionBackwardDataAlgorithm_v7(void*, void*, void*, void*, void*, int, int* number, Performance* found) { return one(number, found); }
EXPORT int cudnnGetConvolutionBackwardFilterAlgorithm_v7(void*, void*, void*, void*, void*, int, int* number, Performance* found) { return one(number, found); }
EXPORT int cudnnFindConvolutionForwardAlgorithmEx(void*, void*, void*, void*, void*, void*, void*, void*, int, int* number, Performance* found, void*, size_t) { return one(number, found); }
EXPORT int cudnnFindConvolutionBackwardDataAlgorithmEx(void*, void*, void*, void*, void*, void*, void*, void*, int, int* number, Performance* found, void*, size_t) { return one(number, found); }
EXPORT int cudnnFindConvolutionBackwardFilterAlgorithmEx(void*, void*, void*, void*, void*, void*, void*, void*, int, int* number, Performance* found, void*, size_t) { return one(number, found); }
EXPORT int cudnnGetConvolutionForwardWorkspaceSize(void*, void*, void*, void*, void*, int, size_t* bytes) { return nothing(bytes); }
EXPORT int cudnnGetConvolutionBackwardDataWorkspaceSize(void*, void*, void*, void*, void*, int, size_t* bytes) { return nothing(bytes); }
EXPORT int cudnnGetConvolutionBackwardFilterWorkspaceSize(void*, void*, void*, void*, void*, int, size_t* bytes) { return nothing(bytes); }
EXPORT int cudnnConvolutionForward(...) { return launched(); }
EXPORT int cudnnConvolutionBackwardData(...) { return launched(); }
EXPORT int cudnnConvolutionBackwardFilter(...) { return launched(); }
EXPORT int cudnnConvolutionBiasActivationForward(...) { return launched(); }

EXPORT int cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize(void*, int, int, void*, void*, void*, void*, void*, size_t* bytes) { return nothing(bytes); }
EXPORT int cudnnGetBatchNormalizationBackwardExWorkspaceSize(void*, int, int, void*, void*, void*, void*, void*, void*, void*, size_t* bytes) { return nothing(bytes); }
EXPORT int cudnnGetBatchNormalizationTrainingExReserveSpaceSize(void*, int, int, void*, void*, size_t* bytes) { return nothing(bytes); }
EXPORT int cudnnBatchNormalizationForwardTrainingEx(...) { return launched(); }
EXPORT int cudnnBatchNormalizationForwardInference(...) { return launched(); }
EXPORT int cudnnBatchNormalizationBackwardEx(...) { return launched(); }

EXPORT int cudnnGetCTCLossWorkspaceSize(void*, void*, void*, const int*, const int*, const int*, int, void*, size_t* bytes) { return nothing(bytes); }
EXPORT int cudnnGetCTCLossWorkspaceSize_v8(void*, int, void*, void*, void*, size_t* bytes) { return nothing(bytes); }
EXPORT int cudnnCTCLoss(...) { return launched(); }
EXPORT int cudnnCTCLoss_v8(...) { return launched(); }
EXPORT int cudnnPoolingForward(...) { return launched(); }
EXPORT int cudnnSpatialTfGridGeneratorForward(...) { return launched(); }
EXPORT int cudnnSpatialTfGridGeneratorBackward(...) { return launched(); }
EXPORT int cudnnSpatialTfSamplerForward(...) { return launched(); }
EXPORT int cudnnSpatialTfSamplerBackward(...) { return launched(); }
EXPORT int cudnnRNNForward(...) { return launched(); }
EXPORT int cudnnRNNBackwardData_v8(...) { return launched(); }
EXPORT int cudnnRNNBackwardWeights_v8(...) { return launched(); }
EXPORT int cudnnCreateTensorDescriptor(void** into) { *into = new Tensor{}; return 0; }
EXPORT int cudnnDestroyTensorDescriptor(void* tensor) { delete (Tensor*)tensor; return 0; }
EXPORT int cudnnSetTensorNdDescriptor(Tensor* tensor, int type, int number, const int* sizes, const int* strides) {
  tensor->type = type;
  tensor->number = number < 8 ? number : 8;
  memcpy(tensor->sizes, sizes, tensor->number * sizeof *sizes);
  memcpy(tensor->strides, strides, tensor->number * sizeof *strides);
  return 0;
}
EXPORT int cudnnGetTensorNdDescriptor(const Tensor* tensor, int requested, int* type, int* number, int* sizes, int* strides) {
  *type = tensor->type;
  *number = tensor->number;
  int kept = requested < tensor->number ? requested : tensor->number;
  memcpy(sizes, tensor->sizes, kept * sizeof *sizes);
  memcpy(strides, tensor->strides, kept * sizeof *strides);
  return 0;
}

EXPORT int cudnnCreateRNNDescriptor(void** into) { *into = new Network{}; return 0; }
EXPORT int cudnnDestroyRNNDescriptor(void* network) { delete (Network*)network; return 0; }
EXPORT int cudnnSetRNNDescriptor_v8(Network* network, int, int cell, int, int both, int, int type, int, int, int inputs, int hidden, int projected, int layers, void*, unsigned) {
  *network = {cell, both, type, inputs, hidden, projected, layers};
  return 0;
}
EXPORT int cudnnGetRNNWeightSpaceSize(void*, const Network* network, size_t* bytes) {
  *bytes = network->element() * (network->weights() + network->layers * network->directions() * network->biases());
  return 0;
}
EXPORT int cudnnGetRNNWeightParams(void*, const Network* network, int layer, size_t, char* weights, int matrix, Tensor* of_matrix, char** at_matrix, Tensor* of_bias, char** at_bias) {
  int rows = network->rows(matrix), columns = network->columns(layer, matrix);
  bool has = matrix < 2 * network->gates();  // a projection has no bias
  if (of_matrix) *of_matrix = {network->type, 3, {1, rows, columns}, {rows * columns, columns, 1}};
  if (of_bias) *of_bias = {network->type, 3, {1, rows, 1}, {rows, 1, 1}};
  if (at_matrix) *at_matrix = weights + network->element() * network->before(layer, matrix);
  if (at_bias) *at_bias = has ? weights + network->element() * (network->weights() + layer * network->biases() + (size_t)matrix * network->hidden) : nullptr;
  return 0;
}
EXPORT int cudnnGetRNNTempSpaceSizes(void*, void*, int, void*, size_t* work, size_t* reserve) {
  if (work) *work = 0;
  if (reserve) *reserve = 0;
  return 0;
}
