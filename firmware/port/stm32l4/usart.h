/* Which bit of the RCC switches the board's USART on. Addresses and bits: ST's stm32l476xx.h v1.7.4; the STM32L432 has
 * the first two. */
#ifndef TL_STM32L4_USART_H
#define TL_STM32L4_USART_H

#include "board.h"
#include "port/cortex_m/core.h"

#define RCC 0x40021000u
#define RCC_APB1ENR1 TL_REGISTER(RCC + 0x58u)
#define RCC_APB2ENR TL_REGISTER(RCC + 0x60u)

#if TL_UART_BASE == 0x40013800u /* USART1 */
#define USART_ENR RCC_APB2ENR
#define USART_ENR_BIT (1u << 14)
#elif TL_UART_BASE == 0x40004400u /* USART2 */
#define USART_ENR RCC_APB1ENR1
#define USART_ENR_BIT (1u << 17)
#elif TL_UART_BASE == 0x40004800u /* USART3 */
#define USART_ENR RCC_APB1ENR1
#define USART_ENR_BIT (1u << 18)
#elif TL_UART_BASE == 0x40004C00u /* UART4 */
#define USART_ENR RCC_APB1ENR1
#define USART_ENR_BIT (1u << 19)
#elif TL_UART_BASE == 0x40005000u /* UART5 */
#define USART_ENR RCC_APB1ENR1
#define USART_ENR_BIT (1u << 20)
#else
#error "this port drives USART1 to USART3, UART4 and UART5"
#endif

#endif
