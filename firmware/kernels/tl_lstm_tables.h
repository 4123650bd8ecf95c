/* The LSTM of tl_lstm.h with sigmoid and tanh from a table, as TensorFlow Lite for Microcontrollers computes it.
 *
 * All LSTMs of a model have the same arithmetic.
 */
#ifndef TL_LSTM_TABLES_H
#define TL_LSTM_TABLES_H

#define TL_LSTM_TABLES 1
#include "tl_lstm.h"

#endif
